import { ImgctlError } from '../errors.ts';

/**
 * A body as it goes over the wire: zstd frames (RFC 8878, 3.1.1), each by itself, each with its content's size in its
 * head and no more than `frameBytes` of it. So whoever receives them knows where each ends, and how many bytes it
 * stands for, without decoding any; holds one at a time; and can go on with frames of its own after any of them.
 */

/** Content of one frame at most, in bytes. Larger ones save little, and every node of a route waits for a whole one. */
export const frameBytes = 256 * 1024;
/** What zstd may add to content that it cannot make smaller: a head, and three bytes a block. */
const overheadBytes = 1024;
/** Two are needed. Without a bound, blocks of no content would keep whoever walks over them busy. */
const maxBlocks = 64;
/** RFC 8878, 3.1.1.2.4 */
const blockBytes = 128 * 1024;
const magic = 0xfd2fb528;

/** The content's size of a whole frame, in bytes. @throws ImgctlError `encoding_invalid` */
export function contentBytesOf(frame: Uint8Array): number {
  return readHead(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)).contentBytes;
}

/**
 * Cuts a body into its frames, one a chunk, as soon as each is whole. What is not a sequence of frames that add up to
 * exactly `length` bytes of content is refused where that is seen; the frames before it were yielded.
 * @throws ImgctlError `encoding_invalid`
 */
export async function* splitFrames(
  chunks: AsyncIterable<Uint8Array>,
  length: number,
): AsyncGenerator<Buffer, void, undefined> {
  let walk = new FrameWalk();
  let left = length;
  for await (let chunk of chunks) {
    while (chunk.byteLength > 0) {
      if (left === 0) throw invalid('bytes follow what was announced');
      const used = walk.take(chunk);
      chunk = chunk.subarray(used);
      if (walk.frame === undefined) continue;
      left -= contentBytesOf(walk.frame);
      if (left < 0) throw invalid('it holds more than was announced');
      yield walk.frame;
      walk = new FrameWalk();
    }
  }
  if (walk.begun) throw invalid('it ends within a frame');
  if (left > 0) throw invalid(`${left} of the announced bytes are not in it`);
}

/** Content in a frame as it is: for what need not, or cannot, be made smaller. */
export function storedFrame(content: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt32LE(magic, 0);
  // One segment, and its size in four bytes
  head.writeUInt8(0b1010_0000, 4);
  head.writeUInt32LE(content.byteLength, 5);
  const parts: Uint8Array[] = [head];
  for (let at = 0; at < content.byteLength; at += blockBytes) {
    const block = content.subarray(at, at + blockBytes);
    const last = at + blockBytes >= content.byteLength ? 1 : 0;
    const blockHead = Buffer.alloc(3);
    blockHead.writeUIntLE((block.byteLength << 3) | last, 0, 3);
    parts.push(blockHead, block);
  }
  return Buffer.concat(parts);
}

export function invalid(why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('encoding_invalid', `the compressed bytes are damaged: ${why}`, {
    hint: 'They are sent again, as they are. If that happens often, look at what stands between the two machines.',
    cause,
  });
}

/** Gathers one frame. Bytes are looked at once for each step of the walk, however small the chunks are. */
class FrameWalk {
  frame: Buffer | undefined;
  #pieces: Uint8Array[] = [];
  #gathered = 0;
  /** So many bytes must be there for the next step. */
  #need = 5;
  #blockAt: number | undefined;
  #blocks = 0;
  #limit = 0;
  #isLast = false;

  get begun(): boolean {
    return this.#gathered > 0;
  }

  /** @returns how many of these bytes were taken */
  take(chunk: Uint8Array): number {
    let at = 0;
    while (this.frame === undefined && at < chunk.byteLength) {
      const piece = chunk.subarray(at, at + this.#need - this.#gathered);
      at += piece.byteLength;
      this.#pieces.push(piece);
      this.#gathered += piece.byteLength;
      if (this.#gathered === this.#need) this.#step();
    }
    return at;
  }

  #step(): void {
    if (this.#isLast) {
      this.frame = this.#joined();
      return;
    }
    const bytes = this.#joined();
    if (this.#blockAt === undefined) {
      const headBytes = headBytesOf(bytes);
      if (bytes.byteLength < headBytes) {
        this.#need = headBytes;
        return;
      }
      this.#limit = readHead(bytes).contentBytes + overheadBytes;
      this.#expectBlock(headBytes);
      return;
    }
    const head = bytes.readUIntLE(this.#blockAt, 3);
    const kind = (head >> 1) & 3;
    if (kind === 3) throw invalid('a block is of no known kind');
    this.#blocks += 1;
    if (this.#blocks > maxBlocks) throw invalid('a frame has too many blocks');
    // A run of one byte stores that byte alone
    const stored = kind === 1 ? 1 : head >> 3;
    const end = this.#blockAt + 3 + stored;
    if (end > this.#limit) throw invalid('a frame is longer than its content can make it');
    this.#isLast = (head & 1) === 1;
    if (!this.#isLast) {
      this.#expectBlock(end);
      return;
    }
    this.#need = end;
    if (end === this.#gathered) this.#step();
  }

  #expectBlock(at: number): void {
    this.#blockAt = at;
    this.#need = at + 3;
  }

  #joined(): Buffer {
    const [only] = this.#pieces;
    const joined =
      this.#pieces.length === 1 && only !== undefined
        ? Buffer.from(only.buffer, only.byteOffset, only.byteLength)
        : Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }
}

/** With one segment there is no window to be allocated, and the content's size is always said. */
function headBytesOf(bytes: Buffer): number {
  if (bytes.readUInt32LE(0) !== magic) throw invalid('what should be a frame is none');
  const descriptor = bytes.readUInt8(4);
  if ((descriptor & 0b0010_1111) !== 0b0010_0000)
    throw invalid('a frame is of a kind that is not sent (window, dictionary, checksum)');
  return 5 + ([1, 2, 4, 8][descriptor >> 6] ?? 8);
}

function readHead(bytes: Buffer): { readonly contentBytes: number } {
  const sizeBytes = headBytesOf(bytes) - 5;
  if (sizeBytes === 8) throw invalid('a frame is too large');
  const contentBytes = bytes.readUIntLE(5, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  if (contentBytes === 0 || contentBytes > frameBytes)
    throw invalid(`a frame has ${contentBytes} bytes of content`);
  return { contentBytes };
}
