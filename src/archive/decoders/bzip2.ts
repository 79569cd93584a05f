import { truncated, unreadable } from '../archive-errors.ts';
import { BitReader } from './bit-reader.ts';
import { ByteReader } from './byte-reader.ts';
import { Bzip2Block, Bzip2Error } from './bzip2-block.ts';

/** More than the longest block takes: 900,000 symbols of at most 20 bits, and its tables. */
const longestBlock = 2_500_000;

const blockMagic = 0x314159265359;
const endMagic = 0x177245385090;

/**
 * Decodes bzip2, also several streams one after the other, as pbzip2 and lbzip2 write.
 * Written here because the packages there (unbzip2-stream, seek-bzip) decode 2 MB a second, stop the event loop for
 * half a second a block, and take 670 MB for an archive of zeros.
 */
export async function* unbzip2(input: AsyncIterable<Uint8Array>, label: string): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(input, { label, format: 'bzip2' });
  try {
    const stream = new Bzip2Stream(reader, label);
    do yield* stream.decode();
    while (await stream.hasMore());
  } catch (thrown) {
    if (thrown instanceof Bzip2Error)
      throw unreadable(label, `its bzip2 data are damaged: ${thrown.message}`);
    throw thrown;
  } finally {
    reader.close();
  }
}

class Bzip2Stream {
  readonly #reader: ByteReader;
  readonly #label: string;
  /** Input that the block at hand may reach into; blocks begin at any bit of it. */
  #buffer = Buffer.alloc(0);
  #bits = new BitReader(this.#buffer);

  constructor(reader: ByteReader, label: string) {
    this.#reader = reader;
    this.#label = label;
  }

  async hasMore(): Promise<boolean> {
    await this.#refill();
    return this.#buffer.byteLength > 0;
  }

  /** One stream. @throws Bzip2Error, ImgctlError `archive_truncated` */
  async *decode(): AsyncGenerator<Uint8Array> {
    await this.#refill();
    const level = this.#take(24) === 0x425a68 ? this.#take(8) - 0x30 : 0;
    if (!(level >= 1 && level <= 9)) throw new Bzip2Error('what follows them is not bzip2');
    const block = new Bzip2Block(level);
    let combined = 0;
    for (;;) {
      await this.#refill();
      const magic = this.#take(24) * 0x1000000 + this.#take(24);
      const expected = this.#bits.take32();
      this.#checkOverrun();
      if (magic === endMagic) {
        this.#bits.alignToByte();
        if (expected !== combined) throw new Bzip2Error('the checksum does not match');
        return;
      }
      if (magic !== blockMagic) throw new Bzip2Error('a block does not begin where it should');
      this.#readBlock(block);
      const actual = yield* block.bytes();
      if (actual !== expected) throw new Bzip2Error('a checksum does not match');
      combined = (((combined << 1) | (combined >>> 31)) ^ actual) >>> 0;
    }
  }

  #readBlock(block: Bzip2Block): void {
    try {
      block.read(this.#bits);
    } catch (thrown) {
      // Past the end it read zeros, which make no block
      this.#checkOverrun();
      throw thrown;
    }
    this.#checkOverrun();
  }

  #take(count: number): number {
    const bits = this.#bits.take(count);
    this.#checkOverrun();
    return bits;
  }

  /** @throws ImgctlError `archive_truncated` */
  #checkOverrun(): void {
    if (this.#bits.overrun) throw truncated(this.#label, 'its bzip2 data end early');
  }

  /** Keeps what is not used yet, from the byte that is used in part on, and reads ahead at least a longest block. */
  async #refill(): Promise<void> {
    const { bytesUsed, bitsLeft } = this.#bits;
    const rest = this.#buffer.subarray(bitsLeft > 0 ? bytesUsed - 1 : bytesUsed);
    if (rest.byteLength >= longestBlock) return;
    const more = await this.#reader.takeUpTo(2 * longestBlock - rest.byteLength);
    this.#buffer = Buffer.concat([rest, more]);
    this.#bits = new BitReader(this.#buffer);
    if (bitsLeft > 0) this.#bits.take(8 - bitsLeft);
  }
}
