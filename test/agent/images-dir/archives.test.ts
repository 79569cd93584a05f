import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hostPlatform } from '../../../src/image/platform.ts';
import { digestReference, parseReference } from '../../../src/image/reference.ts';
import { becomes } from '../../support/becomes.ts';
import { imageOf, indexOf } from '../../support/blobs.ts';
import { ociArchive, smallArchive } from '../archives.ts';
import { ask } from '../http.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

const run = promisify(execFile);

/** As its command line tool writes it. */
async function compressedBy(tool: string, bytes: Buffer): Promise<Buffer> {
  const running = run(tool, ['-c'], { encoding: 'buffer' });
  running.child.stdin?.end(bytes);
  return (await running).stdout;
}

const pinned = { 'io.cri-containerd.pinned': 'pinned', 'io.cattle.k3s.pinned': 'pinned' };

describe('an archive in the images directory', () => {
  it.each<[name: string, write: (bytes: Buffer) => Buffer | Promise<Buffer>]>([
    ['a.tar', (bytes) => bytes],
    ['b.TAR.GZ', gzipSync],
    ['c.tgz', gzipSync],
    ['d.tar.zst', zstdCompressSync],
    ['e.Tzst', zstdCompressSync],
    ['f.tar.bz2', (bytes) => compressedBy('bzip2', bytes)],
    ['g.tbz', (bytes) => compressedBy('bzip2', bytes)],
    ['h.tar.lz4', (bytes) => compressedBy('lz4', bytes)],
    ['i.tar.xz', (bytes) => compressedBy('xz', bytes)],
    // What it is called is one thing
    ['j.tar', gzipSync],
  ])('is imported: %s', async (name, write) => {
    const archive = await write(smallArchive());

    await using node = await ImagesNode.start({}, () => Promise.resolve());
    await writeFile(node.path(name), archive);

    const file = await node.ready(name);
    expect(file).toMatchObject({
      kind: 'archive',
      size: archive.byteLength,
      images: [{ name: 'docker.io/library/app:1', state: 'ready' }],
    });
    expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:1']);
  });

  it('gives each image its name and repository@digest, pinned and marked as K3s does', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive('registry.example.com/team/app:1.4')),
    );
    await node.ready('app.tar');

    const image = await node.store.getImage('registry.example.com/team/app:1.4');
    expect(image?.labels).toMatchObject(pinned);
    const name = digestReference(
      parseReference('registry.example.com/team/app:1.4'),
      image?.target.digest as never,
    );
    expect((await node.store.getImage(name))?.labels).toMatchObject(pinned);
  });

  it('is told of in the words of K3s', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive()),
    );
    await node.ready('app.tar');

    const path = node.path('app.tar');
    expect(node.messages(`Importing images from ${path}`)).toHaveLength(1);
    expect(node.messages('Imported docker.io/library/app:1')).toHaveLength(1);
    const [ended = ''] = await becomes(
      () => node.messages('Imported images from'),
      ({ length }) => length > 0,
    );
    expect(ended).toMatch(/ in \d+\.\d+s$/);
  });

  it('may stand in a directory below, also one that is made later, and have a name in any alphabet', async () => {
    await using node = await ImagesNode.start();
    const names = ['дальше/образ.tar', 'deep/er/画像 (1).tar.gz', 'emoji 🚀.TAR', '-rf; $(x)\n.tar'];
    await mkdir(node.path('дальше'));
    await mkdir(node.path('deep/er'), { recursive: true });
    for (const [i, name] of names.entries()) {
      const archive = smallArchive(`docker.io/library/app:${i}`);
      await writeFile(node.path(name), name.endsWith('.gz') ? gzipSync(archive) : archive);
    }

    for (const name of names) await node.ready(name);
    expect(await tagsIn(node.store)).toHaveLength(names.length);
  });

  it('is left alone where its name has no such ending', async () => {
    await using node = await ImagesNode.start();
    await writeFile(node.path('app.tar.part'), smallArchive('app:part'));
    await writeFile(node.path('README'), 'no archive');
    await mkdir(node.path('directory.tar'));
    await writeFile(node.path('app.tar'), smallArchive('app:whole'));
    await node.ready('app.tar');

    expect((await node.client.imagesDirectory()).files).toHaveLength(1);
    expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:whole']);
  });

  it('gives every platform that is in it, and need not have all that its index names', async () => {
    const own = imageOf(['own'], { os: 'linux', architecture: hostPlatform().architecture });
    const other = imageOf(['other'], { os: 'linux', architecture: 's390x' });
    const absent = imageOf(['absent'], { os: 'linux', architecture: 'ppc64le' });
    const index = indexOf([
      { image: own, platform: { os: 'linux', architecture: hostPlatform().architecture } },
      { image: other, platform: { os: 'linux', architecture: 's390x' } },
      { image: absent, platform: { os: 'linux', architecture: 'ppc64le' } },
    ]);
    const blobs = [...own.blobs, ...other.blobs, index.index];
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, ociArchive({ ...own, target: index.target, blobs }, 'app:1')),
    );
    await node.ready('app.tar');

    const here = await node.store.sizesOf(
      [...own.blobs, ...other.blobs].map(({ descriptor }) => descriptor.digest),
    );
    expect(here.size).toBe(own.blobs.length + other.blobs.length);
  });

  it('counts in the metrics, by state and outcome', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/app.tar`, smallArchive());
      await writeFile(`${directory}/bad.tar`, Buffer.alloc(2048, 7));
    });
    await node.ready('app.tar');
    await node.failed('bad.tar');

    const { text } = await ask(node.agent, '/metrics');
    expect(text).toContain('imgctl_images_dir_files{state="ready"} 1');
    expect(text).toContain('imgctl_images_dir_files{state="failed"} 1');
    expect(text).toContain('imgctl_images_dir_reads_total{outcome="ready"} 1');
    expect(text).toContain('imgctl_images_dir_reads_total{outcome="failed"} 1');
  });

  it('is nobody else’s to see without the token', async () => {
    await using node = await ImagesNode.start();

    const answer = await fetch(new URL('/v1/images-dir', node.agent.url));

    expect(answer.status).toBe(401);
  });
});
