import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseImageList } from '../../../src/agent/images-dir/image-list.ts';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { becomes } from '../../support/becomes.ts';
import { imageOf } from '../../support/blobs.ts';
import { startFakeRegistry } from '../../support/registry/fake-registry.ts';
import { smallArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };

/** A store that pulls: small images, but for those whose name has `missing` in it. */
function pullingStore(pulled: string[], missing = 'missing'): Store {
  const store = createMemoryStore({ platforms: [amd64] });
  return Object.assign(store, {
    pullImage: async (name: string) => {
      pulled.push(name);
      if (name.includes(missing)) throw new Error(`no such image: ${name}`);
      const image = imageOf([name]);
      await using lease = await store.openLease({ owner: 'puller' });
      for (const { descriptor, bytes } of image.blobs)
        await lease.write(
          descriptor,
          0,
          (async function* () {
            yield bytes;
          })(),
        );
      await lease.retain(image.target, {
        config: image.config.descriptor,
        layers: image.layers.map(({ descriptor }) => descriptor),
      });
      await store.tagImage({ name, target: image.target });
      await lease.release();
    },
  });
}

describe('a list of images', () => {
  it('has one reference a line, and comments', () => {
    const images = parseImageList(
      '\ufeff# all of it\r\n\r\n  nginx  \nbusybox:1 # small\nnginx:latest\n\tNot A Name\n',
    );

    expect(images.map(({ name, error }) => [name, error?.code])).toEqual([
      ['docker.io/library/nginx:latest', undefined],
      ['docker.io/library/busybox:1', undefined],
      ['Not A Name', 'reference_invalid'],
    ]);
  });

  it('is pulled, image by image and pinned; a bad line or an image that nobody has stops no other', async () => {
    const pulled: string[] = [];
    await using node = await ImagesNode.start(
      { open: () => pullingStore(pulled), limits: { backOffMs: 60_000, backOffMostMs: 60_000 } },
      (directory) =>
        writeFile(
          `${directory}/images.TXT`,
          '# ours\nBAD LINE\nregistry.example.com/missing:1\nregistry.example.com/app:2\n',
        ),
    );
    const list = await node.failed('images.TXT');

    expect(list).toMatchObject({
      kind: 'list',
      images: [
        { name: 'BAD LINE', state: 'failed', error: { code: 'reference_invalid' } },
        {
          name: 'registry.example.com/missing:1',
          state: 'failed',
          error: { message: expect.stringContaining('no such image') },
        },
        { name: 'registry.example.com/app:2', state: 'ready', digest: expect.stringMatching(/^sha256:/) },
      ],
    });
    expect(await node.client.images()).toMatchObject([{ name: 'registry.example.com/app:2', pinned: true }]);
    expect(pulled).toEqual(['registry.example.com/missing:1', 'registry.example.com/app:2']);
    expect(node.messages(`Pulling images from ${node.path('images.TXT')}`)).toHaveLength(1);
    expect(node.messages('Pulling image registry.example.com/app:2')).toHaveLength(1);
  });

  it('is tried again, later each time, for what is still missing alone', async () => {
    const pulled: string[] = [];
    await using node = await ImagesNode.start({ open: () => pullingStore(pulled) }, (directory) =>
      writeFile(`${directory}/images.txt`, 'app:2\nmissing:1\n'),
    );

    await becomes(
      () => pulled.length,
      (times) => times >= 4,
    );
    expect(new Set(pulled.slice(1))).toEqual(new Set(['docker.io/library/missing:1']));
    expect(node.messages('Image docker.io/library/app:2 has already been pulled').length).toBeGreaterThan(0);
  });

  it('asks no registry for what the store has, and pins it', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive('app:1')),
    );
    await node.ready('app.tar');
    await writeFile(node.path('images.txt'), 'app:1');

    await node.ready('images.txt');
    expect(node.messages('Image docker.io/library/app:1 has already been pulled')).toHaveLength(1);
  });

  it('is pulled by the agent itself where its store pulls nothing, once, with what registries.yaml says', async () => {
    const image = imageOf(['of a list']);
    await using registry = await startFakeRegistry({ tags: { 'mirrored/app:1': image } });
    registry.guard = ({ headers }, response) => {
      if (headers.authorization === `Basic ${Buffer.from('me:pass-word').toString('base64')}`) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      return true;
    };
    const dir = await mkdtemp(join(tmpdir(), 'imgctl-list-'));
    const registries = join(dir, 'registries.yaml');
    const settings = {
      mirrors: {
        'r.example.com': { endpoint: [registry.url], rewrite: { '^(.*)$': 'mirrored/$1' } },
      },
      configs: { [registry.host]: { auth: { username: 'me', password: 'pass-word' } } },
    };
    await writeFile(registries, JSON.stringify(settings));
    await using node = await ImagesNode.start({ settings: { registries } }, (directory) =>
      writeFile(`${directory}/images.txt`, 'r.example.com/app:1\n'),
    );

    const { images } = await node.ready('images.txt');
    expect(images).toMatchObject([{ name: 'r.example.com/app:1', digest: image.target.digest }]);
    expect(await node.client.images()).toMatchObject([{ name: 'r.example.com/app:1', pinned: true }]);
    const [layer] = image.layers;
    expect(registry.paths().filter((path) => path.includes(String(layer?.descriptor.digest)))).toHaveLength(
      1,
    );
    expect(node.agent.log.join()).not.toContain('pass-word');
    await rm(dir, { recursive: true });
  });

  it('is not begun where the registries that were named are no good', async () => {
    await expect(
      ImagesNode.start({ settings: { registries: '/nowhere/registries.yaml' } }),
    ).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('says why where no registry has it', async () => {
    await using registry = await startFakeRegistry();
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/images.txt`, `${registry.host}/app:1\n`),
    );

    const { images } = await node.failed('images.txt');
    expect(images).toMatchObject([{ name: `${registry.host}/app:1`, error: { code: 'image_unknown' } }]);
    await rm(node.path('images.txt'));
    await becomes(
      () => node.client.imagesDirectory(),
      ({ files }) => files.length === 0,
    );
    expect(await tagsIn(node.store)).toEqual([]);
  });
});
