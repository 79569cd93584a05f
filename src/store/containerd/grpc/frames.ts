import { GrpcError, status } from './status.ts';

/**
 * gRPC's framing of messages in an HTTP/2 stream (grpc/grpc, doc/PROTOCOL-HTTP2.md, "Length-Prefixed-Message"):
 * a byte that says whether it is compressed (never, here), four of length, the message.
 */
const prefixBytes = 5;

/** The pieces of one message with their prefix. */
export function frame(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const prefix = Buffer.from([0, 0, 0, 0, 0]);
  prefix.writeUInt32BE(
    pieces.reduce((sum, { byteLength }) => sum + byteLength, 0),
    1,
  );
  return [prefix, ...pieces];
}

/** Puts messages together from the chunks in which they arrive; each byte is copied once at most. */
export class FrameReader {
  #held: Buffer[] = [];
  #length = 0;
  /** Bytes from which on there is something to do: those of a prefix, or those of a whole message with its prefix. */
  #needed = prefixBytes;

  /** The messages that are whole now. */
  *push(chunk: Buffer): Generator<Buffer, void, void> {
    this.#held.push(chunk);
    this.#length += chunk.byteLength;
    while (this.#length >= this.#needed) {
      const all = this.#joined();
      const end = prefixBytes + all.readUInt32BE(1);
      if (all[0] !== 0)
        throw new GrpcError(status.internal, 'the answer is compressed, which nobody asked for');
      this.#needed = end;
      if (this.#length < end) return;
      this.#held = [all.subarray(end)];
      this.#length -= end;
      this.#needed = prefixBytes;
      yield all.subarray(prefixBytes, end);
    }
  }

  #joined(): Buffer {
    const [first, ...rest] = this.#held;
    if (first !== undefined && rest.length === 0) return first;
    const all = Buffer.concat(this.#held, this.#length);
    this.#held = [all];
    return all;
  }
}
