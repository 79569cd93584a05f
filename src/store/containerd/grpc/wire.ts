/**
 * The wire format of protocol buffers (protobuf.dev, "Encoding"): varints and length-delimited fields, the only two
 * that containerd's services use in what is sent; the fixed-width ones are skipped when they are received.
 */

export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Collects one message. Large pieces are not copied: they stay pieces of it. */
export class WireWriter {
  readonly #pieces: Uint8Array[] = [];
  #small: Uint8Array[] = [];

  bytes(field: number, value: Uint8Array): void {
    this.#small.push(varint(field * 8 + wireTypes.bytes), varint(value.byteLength), value);
  }

  /** `value` is a safe integer; a negative one is written in two's complement, as int64 is. */
  varint(field: number, value: number): void {
    this.#small.push(varint(field * 8 + wireTypes.varint), varint(value));
  }

  /** One field whose bytes lie in several pieces, which nobody may change until the message is sent. */
  pieces(field: number, pieces: readonly Uint8Array[]): void {
    const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (length === 0) return;
    this.#small.push(varint(field * 8 + wireTypes.bytes), varint(length));
    this.#join();
    this.#pieces.push(...pieces);
  }

  /** The message, in one or more pieces. */
  finish(): readonly Uint8Array[] {
    this.#join();
    return this.#pieces;
  }

  #join(): void {
    if (this.#small.length > 0) this.#pieces.push(Buffer.concat(this.#small));
    this.#small = [];
  }
}

export class WireReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get done(): boolean {
    return this.#at >= this.#buffer.byteLength;
  }

  /** An integer; beyond 2^53 it loses precision, which no size, offset or enumeration here reaches. */
  varint(): number {
    let [low, high, shift] = [0, 0, 0];
    for (;;) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) throw new RangeError('a protobuf message ends within a number');
      // Two halves: JavaScript's shifts have 32 bits
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else high += (byte & 0x7f) * 2 ** (shift - 28);
      if (byte < 0x80) break;
      shift += 7;
    }
    const value = (low >>> 0) + high * 2 ** 28;
    return value >= 2 ** 63 ? value - 2 ** 64 : value;
  }

  /** A view of the message, not a copy. */
  bytes(): Buffer {
    const length = this.varint();
    const end = this.#at + length;
    if (length < 0 || end > this.#buffer.byteLength)
      throw new RangeError('a protobuf message ends within a field');
    const bytes = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  skip(wireType: number): void {
    if (wireType === wireTypes.varint) this.varint();
    else if (wireType === wireTypes.bytes) this.bytes();
    else if (wireType === wireTypes.fixed64) this.#at += 8;
    else if (wireType === wireTypes.fixed32) this.#at += 4;
    else throw new RangeError(`a protobuf message has a field of the unknown wire type ${wireType}`);
  }
}

function varint(value: number): Uint8Array {
  if (value >= 0 && value < 0x80) return Uint8Array.of(value);
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
