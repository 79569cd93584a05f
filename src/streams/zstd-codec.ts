import {
  constants,
  createZstdCompress,
  createZstdDecompress,
  type ZstdCompress,
  type ZstdDecompress,
} from 'node:zlib';
import { contentBytesOf, frameBytes, invalid } from './zstd-frames.ts';

/**
 * Frames of streams/zstd-frames.ts from content, and back. Each blob has a coder that is used for all its frames: a
 * new one for each frame cost twice the processor time (Node.js 24.21). The work is done in libuv's threads.
 */

/** Level 1: a third of a file system's bytes at some 200 MB/s a core. Level 3 takes half as long again for a tenth less. */
const level = 1;

/** Makes a frame of content. `using` lets its memory go. */
export class FrameCompressor implements Disposable {
  readonly #coder: ZstdCompress = createZstdCompress({
    chunkSize: frameBytes,
    // Every write ends a frame; as the coder is given all of it at once, the frame says its content's size
    flush: constants.ZSTD_e_end,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
  readonly #write = writer(this.#coder, Number.POSITIVE_INFINITY);

  /** `content`: from 1 to `frameBytes` bytes, not to be changed meanwhile. */
  compress(content: Uint8Array): Promise<Buffer> {
    return this.#write(content);
  }

  [Symbol.dispose](): void {
    this.#coder.destroy();
  }
}

/**
 * The content of frames, one chunk each. No more comes out than each frame's head says.
 * @throws ImgctlError `encoding_invalid`; the content of the frames before was yielded
 */
export async function* decompressFrames(
  frames: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  const coder: ZstdDecompress = createZstdDecompress({ chunkSize: frameBytes });
  const write = writer(coder, frameBytes);
  try {
    for await (const frame of frames) {
      const announced = contentBytesOf(frame);
      const content = await write(frame).catch((cause: unknown) => {
        throw invalid('a frame cannot be decoded', cause);
      });
      if (content.byteLength !== announced) throw invalid('a frame holds other than it says');
      yield content;
    }
  } finally {
    coder.destroy();
  }
}

/** What comes out of a coder for what goes in, one write at a time; more than `limit` bytes end it. */
function writer(coder: ZstdCompress | ZstdDecompress, limit: number): (input: Uint8Array) => Promise<Buffer> {
  let out: Buffer[] = [];
  let length = 0;
  let fail: ((error: Error) => void) | undefined;
  coder.on('error', (error) => fail?.(error));
  // A frame that ends too soon ends the coder; nothing more would come of it
  coder.on('end', () => fail?.(new Error('the coder ended')));
  coder.on('close', () => fail?.(new Error('the coder was closed')));
  coder.on('data', (chunk: Buffer) => {
    length += chunk.byteLength;
    if (length > limit) coder.destroy(new Error(`more than ${limit} bytes`));
    else out.push(chunk);
  });
  return async (input) => {
    out = [];
    length = 0;
    await new Promise<void>((resolve, reject) => {
      fail = reject;
      if (coder.destroyed) reject(new Error('the coder was closed'));
      else coder.write(input, (error) => (error ? reject(error) : resolve()));
    });
    fail = undefined;
    const [first] = out;
    return out.length === 1 && first !== undefined ? first : Buffer.concat(out);
  };
}
