import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Archive, combineArchives, openArchive } from '../../src/archive/archive.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import { blobOf, randomBytes, tarOf } from '../support/archives.ts';

describe('what a layer unpacks to', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-unpacked-test-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const plain = Buffer.alloc(300_000, 'abc');
  const parts = [plain.subarray(0, 100_000), plain.subarray(100_000)];

  /** An archive whose one image has this layer. */
  async function archiveWith(layer: Uint8Array, name = 'a:1'): Promise<Archive> {
    const blob = blobOf(mediaTypes.ociLayerGzip, layer);
    const config = blobOf(mediaTypes.ociConfig, {
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [blob.descriptor.digest] },
    });
    const manifest = blobOf(mediaTypes.ociManifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: config.descriptor,
      layers: [blob.descriptor],
    });
    const index = {
      schemaVersion: 2,
      manifests: [{ ...manifest.descriptor, annotations: { 'org.opencontainers.image.ref.name': name } }],
    };
    const path = join(dir, `${name.replace(':', '-')}.tar`);
    await writeFile(
      path,
      await tarOf([
        { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
        { name: 'index.json', body: JSON.stringify(index) },
        ...[blob, config, manifest].map(({ descriptor, bytes }) => ({
          name: `blobs/sha256/${descriptor.digest.slice(7)}`,
          body: bytes,
        })),
      ]),
    );
    return openArchive({ kind: 'path', path });
  }

  async function told(layer: Uint8Array): Promise<number | undefined> {
    await using archive = await archiveWith(layer);
    return await archive.unpackedSizeOf?.(blobOf('', layer).descriptor.digest);
  }

  it('is its own size where it is not compressed', async () => {
    expect(await told(plain)).toBe(plain.byteLength);
  });

  it('is what gzip says at its end', async () => {
    expect(await told(gzipSync(plain))).toBe(plain.byteLength);
  });

  it('is never more than the truth where gzip has several members, and never less than the blob', async () => {
    expect(await told(Buffer.concat(parts.map((part) => gzipSync(part))))).toBe(200_000);
    const noise = gzipSync(randomBytes(50_000, 'noise'));
    expect(await told(Buffer.concat([noise, gzipSync(Buffer.from('x'))]))).toBeGreaterThanOrEqual(50_000);
  });

  it.each([10, 200, 60_000, 300_000])('is what zstd says at its beginning: %i bytes', async (size) => {
    const bytes = plain.subarray(0, size);
    const sized = execFileSync('zstd', ['-q', '-c', '--stream-size', String(size)], { input: bytes });
    expect(await told(sized)).toBe(Math.max(size, sized.byteLength));
  });

  it('is the size of the blob where zstd does not say', async () => {
    const streamed = execFileSync('zstd', ['-q', '-c', '--no-content-size'], { input: plain });
    expect(await told(streamed)).toBe(streamed.byteLength);
    const skippable = Buffer.concat([
      Buffer.from('502a4d1804000000aaaaaaaa', 'hex'),
      zstdCompressSync(plain),
    ]);
    expect(await told(skippable)).toBe(skippable.byteLength);
  });

  it('is told by whichever of several archives has the layer', async () => {
    const [a, b] = [gzipSync(plain), gzipSync(randomBytes(70_000, 'b'))];
    await using both = combineArchives([await archiveWith(a, 'a:1'), await archiveWith(b, 'b:1')]);
    expect(await both.unpackedSizeOf?.(blobOf('', b).descriptor.digest)).toBeGreaterThanOrEqual(70_000);
    expect(await both.unpackedSizeOf?.(blobOf('', plain).descriptor.digest)).toBeUndefined();
  });
});
