import { type Digest, isDigest } from '../image/digest.ts';

/** What each part of a divided bundle says of itself, before its own bytes. */
export interface PartHead {
  /** Of the index.json of the whole: parts of one bundle have the same. */
  readonly bundle: Digest;
  /** The bound it was divided by: another division of the same bundle is another set of parts. */
  readonly limit: number;
  /** From 1 on. */
  readonly part: number;
  readonly of: number;
  /** Of the part, with this head. */
  readonly bytes: number;
}

/** Bytes of a head, whatever it says. */
export const partHeadBytes = 512;
/** A skippable frame (RFC 8878, 3.1.2): the parts, one after the other, are a zstd stream that any tool reads. */
const magic = 0x184d2a5b;
const title = 'imgctl bundle part ';

export function encodePartHead(head: PartHead): Buffer {
  const bytes = Buffer.alloc(partHeadBytes, ' ');
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(partHeadBytes - 8, 4);
  bytes.write(`${title}${JSON.stringify(head)}`, 8, 'latin1');
  return bytes;
}

/** Undefined for what does not begin as a part does. */
export function decodePartHead(bytes: Uint8Array): PartHead | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (start.byteLength < partHeadBytes || start.readUInt32LE(0) !== magic) return undefined;
  const text = start.toString('latin1', 8, partHeadBytes);
  if (!text.startsWith(title)) return undefined;
  try {
    const head = JSON.parse(text.slice(title.length)) as Record<keyof PartHead, unknown>;
    const { bundle, limit, part, of, bytes } = head;
    const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;
    if (!isDigest(bundle) || ![limit, part, of, bytes].every(isCount)) return undefined;
    return Number(part) <= Number(of) && Number(of) <= 999 ? (head as PartHead) : undefined;
  } catch {
    return undefined;
  }
}
