import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';

const mebibyte = 1024 * 1024;

interface Layer {
  readonly key: Buffer;
  readonly digest: string;
  readonly size: number;
}

/** An OCI layout archive of one image with layers of incompressible data, `bytes` in all, written to `path`. */
export async function writeArchive(path: string, name: string, layers: number, bytes: number): Promise<void> {
  const fileBytes = Math.floor(bytes / layers / mebibyte) * mebibyte;
  const made: Layer[] = [];
  for (let i = 0; i < layers; i += 1) {
    const key = randomBytes(16);
    const hash = createHash('sha256');
    let size = 0;
    for (const chunk of layerTar(key, fileBytes)) {
      hash.update(chunk);
      size += chunk.byteLength;
    }
    made.push({ key, size, digest: `sha256:${hash.digest('hex')}` });
  }
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: made.map(({ digest }) => digest) },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: made.map(({ digest, size }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest,
      size,
    })),
  });
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
        annotations: { 'io.containerd.image.name': name },
      },
    ],
  });
  const tar = pack();
  const writing = pipeline(tar, createWriteStream(`${path}.part`, { highWaterMark: mebibyte }));
  tar.entry({ name: 'oci-layout' }, '{"imageLayoutVersion":"1.0.0"}');
  for (const { key, digest, size } of made) {
    await pipeline(
      Readable.from(layerTar(key, fileBytes)),
      tar.entry({ name: `blobs/sha256/${digest.slice(7)}`, size }),
    );
  }
  for (const document of [config, manifest])
    tar.entry({ name: `blobs/sha256/${sha256(document)}` }, document);
  tar.entry({ name: 'index.json' }, index);
  tar.finalize();
  await writing;
  await rename(`${path}.part`, path);
}

/** A tar with one file of `bytes` pseudo-random bytes: the key stream of AES, which does not compress. */
function* layerTar(key: Buffer, bytes: number): Generator<Buffer> {
  const header = Buffer.alloc(512);
  header.write('data', 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\0' + '00', 257);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  yield header;
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(mebibyte);
  for (let left = bytes; left > 0; left -= mebibyte)
    yield stream.update(zeros.subarray(0, Math.min(left, mebibyte)));
  yield Buffer.alloc(1024);
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function descriptor(mediaType: string, bytes: Buffer) {
  return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.byteLength };
}
