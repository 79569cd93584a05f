import { createCipheriv, createHash, randomBytes } from 'node:crypto';

const mebibyte = 1024 * 1024;

/** A layer that is made anew whenever it is written, from its key: none is held. */
export interface Layer {
  readonly key: Buffer;
  readonly files: number;
  /** Of each file. */
  readonly fileBytes: number;
  readonly digest: string;
  readonly size: number;
}

/** A layer of `files` files of pseudo-random bytes (the key stream of AES, which does not compress), `bytes` in all. */
export function makeLayer(bytes: number, files = 1): Layer {
  const plan = { key: randomBytes(16), files, fileBytes: Math.floor(bytes / files) };
  const hash = createHash('sha256');
  let size = 0;
  for (const chunk of layerTar(plan)) {
    hash.update(chunk);
    size += chunk.byteLength;
  }
  return { ...plan, size, digest: `sha256:${hash.digest('hex')}` };
}

/** The tar of a layer. */
export function* layerTar({
  key,
  files,
  fileBytes,
}: Pick<Layer, 'key' | 'files' | 'fileBytes'>): Generator<Buffer> {
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(Math.min(fileBytes, mebibyte));
  const name = key.toString('hex', 0, 4);
  for (let file = 0; file < files; file += 1) {
    yield header(files === 1 ? 'data' : `${name}/${Math.floor(file / 100)}/${file}`, fileBytes);
    for (let left = fileBytes; left > 0; left -= zeros.byteLength)
      yield stream.update(zeros.subarray(0, Math.min(left, zeros.byteLength)));
    yield Buffer.alloc((512 - (fileBytes % 512)) % 512);
  }
  yield Buffer.alloc(1024);
}

function header(name: string, bytes: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\0' + '00', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
