import { truncated } from '../archive-errors.ts';

/** Takes bytes from a stream in the portions that a format asks for. */
export class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #label: string;
  readonly #format: string;
  #rest: Uint8Array = new Uint8Array(0);
  /** Bytes taken so far. */
  position = 0;

  constructor(input: AsyncIterable<Uint8Array>, { label, format }: { label: string; format: string }) {
    this.#iterator = input[Symbol.asyncIterator]();
    this.#label = label;
    this.#format = format;
  }

  async atEnd(): Promise<boolean> {
    while (this.#rest.byteLength === 0) {
      const { done, value } = await this.#iterator.next();
      if (done) return true;
      this.#rest = value;
    }
    return false;
  }

  /** Exactly so many bytes. @throws ImgctlError `archive_truncated` */
  async take(bytes: number): Promise<Buffer> {
    const taken = await this.takeUpTo(bytes);
    if (taken.byteLength < bytes) throw truncated(this.#label, `its ${this.#format} data end early`);
    return taken;
  }

  /** So many bytes, or fewer at the end of the stream. A view of the input where that is possible. */
  async takeUpTo(bytes: number): Promise<Buffer> {
    if (this.#rest.byteLength >= bytes) return this.#cut(bytes);
    const pieces: Buffer[] = [];
    let missing = bytes;
    while (missing > 0 && !(await this.atEnd())) {
      const piece = this.#cut(Math.min(missing, this.#rest.byteLength));
      pieces.push(piece);
      missing -= piece.byteLength;
    }
    return Buffer.concat(pieces);
  }

  /** @throws ImgctlError `archive_truncated` */
  async byte(): Promise<number> {
    return (await this.take(1)).readUInt8();
  }

  /** The next byte without taking it; undefined at the end. */
  async peekByte(): Promise<number | undefined> {
    return (await this.atEnd()) ? undefined : this.#rest[0];
  }

  /** @throws ImgctlError `archive_truncated` */
  async skip(bytes: number): Promise<void> {
    for (let left = bytes; left > 0; left -= 65536) await this.take(Math.min(left, 65536));
  }

  /** Stops the input, without waiting for it: it may be in the middle of a read from a silent pipe. */
  close(): void {
    void Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }

  #cut(bytes: number): Buffer {
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    this.position += bytes;
    return Buffer.from(taken.buffer, taken.byteOffset, taken.byteLength);
  }
}
