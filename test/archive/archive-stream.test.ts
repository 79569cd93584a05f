import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { openArchive } from '../../src/archive/archive.ts';
import { archiveLength, archiveStream } from '../../src/archive/archive-stream.ts';
import { ImgctlError } from '../../src/errors.ts';
import { resolveGraph } from '../../src/image/graph.ts';
import { readDocument } from '../../src/image/read-document.ts';
import { randomImage } from '../support/archives.ts';
import { memorySource } from '../support/memory-source.ts';

async function imageWith(layerSize: number) {
  const image = await randomImage({ layers: 3, layerSize, gzip: true });
  const source = memorySource([{ target: image.target }], image.blobs);
  const graph = await resolveGraph(image.target, { kind: 'all' }, (descriptor) =>
    readDocument(source, descriptor),
  );
  return { source, images: [{ names: ['docker.io/library/app:1', 'docker.io/library/app:2'], graph }] };
}

describe('an archive as a stream', () => {
  it.each([0, 1, 511, 512, 70_000])('is as long as was said, with layers of %i bytes', async (layerSize) => {
    const { source, images } = await imageWith(layerSize);

    const bytes = Buffer.concat(await Array.fromAsync(archiveStream(images, source)));

    expect(archiveLength(images)).toBe(bytes.byteLength);
  });

  it('is read back with its names', async () => {
    const { source, images } = await imageWith(1000);
    const stream = Readable.from(archiveStream(images, source));

    await using archive = await openArchive({ kind: 'stream', stream, label: 'it' });

    expect(archive.images.map(({ name }) => name)).toEqual(images[0]?.names);
  });

  it('is not written ahead of who reads it, and not on when nobody does', async () => {
    const { source, images } = await imageWith(4_000_000);

    for await (const _ of archiveStream(images, source)) break;

    const read = [...source.bytesRead.values()].reduce((sum, bytes) => sum + bytes, 0);
    expect(read).toBeLessThan(1_000_000);
  });

  it('fails with the error of its source', async () => {
    const { source, images } = await imageWith(1000);
    const broken = {
      ...source,
      // biome-ignore lint/correctness/useYield: it fails before
      async *read(): AsyncGenerator<Uint8Array> {
        throw new ImgctlError('archive_truncated', 'gone');
      },
    };

    await expect(Array.fromAsync(archiveStream(images, broken))).rejects.toMatchObject({
      code: 'archive_truncated',
    });
  });
});
