import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openGrowingArchive } from '../../src/archive/growing-archive.ts';
import { toImgctlError } from '../../src/errors.ts';
import type { Digest } from '../../src/image/digest.ts';
import type { GrowingSource, SourceBlob } from '../../src/image/source.ts';
import {
  blobMembers,
  blobOf,
  blobPath,
  dockerSave,
  inChunks,
  ociLayout,
  randomBytes,
  randomImage,
  type TarMember,
  tarOf,
} from '../support/archives.ts';
import { heldPipe } from '../support/held-pipe.ts';

const app = await randomImage({ seed: 'growing', layers: 2, layerSize: 150_000 });
const name = 'docker.io/library/app:1';
const layers = app.layers.map(({ descriptor: { digest, size } }) => ({ digest, size }));
const [first, second] = layers as [SourceBlob, SourceBlob];

/** Layers, then documents, and the index last, as most tools write it. */
function members(...others: TarMember[]): TarMember[] {
  const [marker, index] = ociLayout([{ image: app, name }]) as [TarMember, TarMember];
  return [marker, ...blobMembers(app.layers), ...others, ...blobMembers([app.config, app.manifest]), index];
}

const opened = (stream: AsyncIterable<Uint8Array>, spoolDir?: string) =>
  openGrowingArchive({ kind: 'stream', stream, label: 'a pipe' }, { spoolDir });

async function contentOf(source: GrowingSource, digest: Digest, offset = 0): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source.read(digest, offset)));
}

/** All that come, however many at once. */
async function arrivalsOf(source: GrowingSource): Promise<SourceBlob[]> {
  const all: SourceBlob[] = [];
  for (let some = await source.arrivals(0); some.length > 0; some = await source.arrivals(all.length))
    all.push(...some.map(({ digest, size }) => ({ digest, size })));
  return all;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'nothing',
    (error: unknown) => toImgctlError(error).code,
  );
}

describe('an archive that is read while its blobs are had', () => {
  it('gives each blob as soon as it is whole, and its images when all is read', async () => {
    const pipe = await heldPipe(members(), blobPath(second.digest), 1000);
    await using source = opened(pipe.input);
    expect(await source.arrivals(0)).toMatchObject([first]);
    expect((await contentOf(source, first.digest)).equals(app.layers[0]?.bytes ?? Buffer.of())).toBe(true);
    expect(await contentOf(source, first.digest, first.size - 10)).toHaveLength(10);
    expect([source.sizeOf(first.digest), source.sizeOf(second.digest)]).toEqual([first.size, undefined]);
    expect(await codeOf(contentOf(source, second.digest).then())).toBe('blob_unknown');
    expect(source.images).toEqual([]);

    pipe.finish();
    expect(await source.arrivals(1)).toMatchObject([second]);
    await source.whole;
    expect(await source.arrivals(2)).toEqual([]);
    expect(source.images.map(({ name }) => name)).toEqual([name]);
    for (const { descriptor, bytes } of app.blobs)
      expect((await contentOf(source, descriptor.digest)).equals(bytes)).toBe(true);
  });

  it('gives only what names itself, has that digest, and is no document; each once', async () => {
    const damaged = { name: blobPath(blobOf('', randomBytes(500, 'a')).descriptor.digest), body: 'not that' };
    const nameless = { name: 'layer.tar', body: randomBytes(500, 'b') };
    const again = blobMembers(app.layers.slice(0, 1));
    for (const size of [700, 65536, 10_000_000]) {
      const archive = await tarOf(members(damaged, nameless, ...again));
      await using source = opened(inChunks(archive, size));
      expect(await arrivalsOf(source)).toEqual(layers);
      await source.whole;
    }
  });

  it('gives blobs of a compressed archive, and none of one whose layers have no names', async () => {
    await using compressed = opened(inChunks(gzipSync(await tarOf(members()))));
    expect(await arrivalsOf(compressed)).toEqual(layers);
    await using saved = opened(inChunks(await tarOf(dockerSave([{ image: app, tags: ['app:1'] }]))));
    expect(await arrivalsOf(saved)).toEqual([]);
    await saved.whole;
    expect(saved.images.map(({ name }) => name)).toEqual([name]);
  });

  it('ends without images when it is cut off, and what came before can still be read', async () => {
    const pipe = await heldPipe(members(), blobPath(second.digest), 1000);
    await using source = opened(pipe.input);
    await source.arrivals(0);
    pipe.breakOff();
    expect(await codeOf(source.whole)).toBe('archive_truncated');
    expect(await source.arrivals(1)).toEqual([]);
    expect(await contentOf(source, first.digest)).toHaveLength(first.size);
  });

  it('is left in the middle: who waits hears of it, and no file stays', async () => {
    const spoolDir = await mkdtemp(join(tmpdir(), 'imgctl-test-growing-'));
    try {
      const pipe = await heldPipe(members(), blobPath(second.digest), 1000);
      const source = opened(pipe.input, spoolDir);
      await source.arrivals(0);
      const reading = contentOf(source, first.digest);
      const waiting = source.arrivals(1);
      await source[Symbol.asyncDispose]();
      expect(await waiting).toEqual([]);
      // Either it came before the end, or it was told
      expect(['nothing', 'archive_unreadable']).toContain(await codeOf(reading));
      expect(await codeOf(source.whole)).toBe('interrupted');
      expect(await readdir(spoolDir)).toEqual([]);
    } finally {
      await rm(spoolDir, { recursive: true, force: true });
    }
  });

  it('lets who waits for blobs give up', async () => {
    await using source = opened(new PassThrough());
    const gaveUp = new AbortController();
    const waiting = source.arrivals(0, gaveUp.signal);
    gaveUp.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});
