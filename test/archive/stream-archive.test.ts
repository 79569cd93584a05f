import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ArchiveSink, importArchiveStream } from '../../src/archive/stream-archive.ts';
import { toImgctlError } from '../../src/errors.ts';
import { type Digest, digestOf } from '../../src/image/digest.ts';
import {
  blobMembers,
  blobPath,
  dockerSave,
  inChunks,
  indexOf,
  ociLayout,
  randomImage,
  tarOf,
} from '../support/archives.ts';
import { failure, listing, openFile } from './opened.ts';

const app = await randomImage({ seed: 'streamed', layerSize: 100_000 });
const tool = await randomImage({ seed: 'tool', gzip: true });
const name = 'docker.io/library/app:1';
const layout = await tarOf(
  ociLayout([
    { image: indexOf([app]), name },
    { image: tool, name: 'tool:2' },
  ]),
);

/** A sink that remembers, verifies, and does not read what it has. */
class MemorySink implements ArchiveSink {
  readonly blobs = new Map<Digest, Buffer>();
  readonly asked: (Digest | undefined)[] = [];

  async put(
    { digest, size }: { digest?: Digest | undefined; size: number },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<Digest> {
    this.asked.push(digest);
    if (digest !== undefined && this.blobs.has(digest)) return digest;
    const bytes = Buffer.concat(await Array.fromAsync(chunks));
    expect(bytes.length).toBe(size);
    const actual = digestOf(bytes);
    if (digest !== undefined) expect(actual).toBe(digest);
    this.blobs.set(actual, bytes);
    return actual;
  }
}

describe('an archive that flows by', () => {
  it('gives its blobs as they come and its images at the end', async () => {
    const sink = new MemorySink();
    for (const chunk of [700, 65536]) {
      const { images, documents, bytes } = await importArchiveStream(inChunks(layout, chunk), sink);
      expect(images.map((image) => image.name)).toEqual([name, 'docker.io/library/tool:2']);
      expect(documents).toEqual([]);
      expect(bytes).toBe(layout.length);
    }
    for (const { descriptor, bytes } of [...app.blobs, ...tool.blobs]) {
      expect(sink.blobs.get(descriptor.digest)?.equals(bytes)).toBe(true);
    }
  });

  it('is understood as the same archive on disk is', async () => {
    const images = [
      { image: app, tags: ['app:1', 'app:2'] },
      { image: tool, tags: ['tool:2'] },
    ];
    for (const tar of [
      layout,
      await tarOf(dockerSave(images)),
      await tarOf(dockerSave(images, { gzip: true })),
    ]) {
      const sink = new MemorySink();
      const streamed = await importArchiveStream(inChunks(gzipSync(tar)), sink);
      await using opened = await openFile(tar);
      expect(listing(streamed)).toEqual(listing(opened));
      for (const { descriptor, bytes } of streamed.documents) {
        expect(digestOf(bytes)).toBe(descriptor.digest);
        expect(opened.sizeOf(descriptor.digest)).toBe(bytes.length);
      }
    }
  });

  it('of docker save gives configs and manifests to store, and layers without their digests', async () => {
    const sink = new MemorySink();
    const tar = await tarOf(dockerSave([{ image: app, tags: ['app:1'] }]));
    const { images, documents } = await importArchiveStream(inChunks(tar), sink);
    expect(documents.map(({ descriptor }) => descriptor.digest)).toEqual([
      app.config.descriptor.digest,
      images[0]?.target.digest,
    ]);
    expect([...sink.blobs.keys()]).toEqual(app.layerTars.map((layer) => digestOf(layer)));
    expect(sink.asked).toEqual([undefined, undefined]);
  });

  it('goes on behind blobs that the sink has already', async () => {
    const sink: ArchiveSink = { put: async ({ digest }) => digest ?? app.target.digest };
    const { images } = await importArchiveStream(inChunks(layout, 3000), sink);
    expect(images).toHaveLength(2);
  });

  it('goes on where the sink stops in the middle of a blob', async () => {
    const sink: ArchiveSink = {
      async put({ digest }, chunks) {
        for await (const _ of chunks) break;
        return digest ?? app.target.digest;
      },
    };
    const { images } = await importArchiveStream(inChunks(layout, 3000), sink);
    expect(images).toHaveLength(2);
  });

  it('takes a name for the one image that there is', async () => {
    const tar = await tarOf(dockerSave([{ image: app, tags: null }]));
    expect((await failure(importArchiveStream(inChunks(tar), new MemorySink()))).code).toBe(
      'archive_unnamed',
    );
    const { images } = await importArchiveStream(inChunks(tar), new MemorySink(), { tag: 'x:9' });
    expect(images[0]?.name).toBe('docker.io/library/x:9');
  });

  it('with a layer that is not what its config says is refused', async () => {
    const members = dockerSave([{ image: app, tags: ['app:1'] }]).map((member) =>
      member.name.endsWith('layer.tar') ? { ...member, body: 'not the layer' } : member,
    );
    const error = await failure(importArchiveStream(inChunks(await tarOf(members)), new MemorySink()));
    expect(error.code).toBe('digest_mismatch');
  });

  it('holds no attestation in memory, however many there are', async () => {
    const attestations = Array.from({ length: 12 }, (_, i) => {
      const bytes = Buffer.from(JSON.stringify({ predicateType: 'x', i, padding: ' '.repeat(6_000_000) }));
      return {
        descriptor: {
          mediaType: 'application/vnd.in-toto+json',
          digest: digestOf(bytes),
          size: bytes.length,
        },
        bytes,
      };
    });
    const tar = await tarOf([...blobMembers(attestations), ...ociLayout([{ image: app, name }])]);
    const sink: ArchiveSink = { put: async ({ digest }) => digest ?? app.target.digest };
    expect((await importArchiveStream(inChunks(tar), sink)).images).toHaveLength(1);
  });

  it('cut off anywhere gives no image', async () => {
    const sink: ArchiveSink = {
      async put({ digest }, chunks) {
        const hash = createHash('sha256');
        for await (const chunk of chunks) hash.update(chunk);
        return digest ?? (`sha256:${hash.digest('hex')}` as Digest);
      },
    };
    const docker = await tarOf(dockerSave([{ image: app, tags: ['app:1'] }]).reverse());
    for (const tar of [layout, docker]) {
      await fc.assert(
        fc.asyncProperty(fc.nat(tar.length - 1025 - 512), async (length) => {
          const error = await importArchiveStream(inChunks(tar.subarray(0, length)), sink).then(
            () => undefined,
            (thrown: unknown) => toImgctlError(thrown),
          );
          // Only a cut at the edge of a member that no image needs may go unnoticed
          if (error !== undefined) expect(error.code).toMatch(/^archive_/);
          else expect(length % 512).toBe(0);
        }),
        { numRuns: 60 },
      );
    }
  });

  it('stops where the sink fails, with its error', async () => {
    const sink: ArchiveSink = {
      put: async () => {
        throw new Error('the store is full');
      },
    };
    await expect(importArchiveStream(inChunks(layout), sink)).rejects.toThrow('the store is full');
  });

  it('stops where somebody loses patience, even if nothing comes', async () => {
    const silent = async function* () {
      yield layout.subarray(0, 9000);
      await new Promise(() => {});
    };
    const stop = new AbortController();
    const reading = importArchiveStream(silent(), new MemorySink(), { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(reading).rejects.toThrow('enough');
  });

  it('with a blob that is not JSON in place of a manifest is refused', async () => {
    const members = ociLayout([{ image: app, name }]).map((member) =>
      member.name === blobPath(app.target.digest) ? { ...member, body: randomText(app.target.size) } : member,
    );
    const sink: ArchiveSink = { put: async ({ digest }) => digest ?? app.target.digest };
    expect((await failure(importArchiveStream(inChunks(await tarOf(members)), sink))).code).toBe(
      'archive_unreadable',
    );
  });
});

function randomText(length: number): string {
  return 'text '.repeat(length).slice(0, length);
}

describe('a signed delta bundle that flows by', () => {
  it('gives its images without the layers that are elsewhere, and says where; the signature is no blob', async () => {
    const base = digestOf('the index of the base');
    const without = app.layers.map(({ descriptor }) => descriptor.digest);
    const members = ociLayout([{ image: app, name }], { without }).map((member) => {
      if (member.name !== 'index.json') return member;
      const annotations = {
        'dev.imgctl.bundle.base.digest': base,
        'dev.imgctl.bundle.base.name': 'june.tar.zst',
      };
      return { ...member, body: JSON.stringify({ ...JSON.parse(String(member.body)), annotations }) };
    });
    const signature = 'untrusted comment: signature from imgctl\nUkVE\ntrusted comment: x\nUkVE\n';
    const tar = await tarOf([...members, { name: 'index.json.minisig', body: signature }]);
    const sink = new MemorySink();
    const streamed = await importArchiveStream(inChunks(tar), sink);
    expect(listing(streamed)).toEqual([[name, app.target.digest]]);
    expect(streamed.base).toEqual({ digest: base, name: 'june.tar.zst' });
    expect([...sink.blobs.keys()].toSorted()).toEqual(
      [app.manifest, app.config].map(({ descriptor }) => descriptor.digest).toSorted(),
    );
  });
});
