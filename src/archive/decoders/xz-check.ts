import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Crc64 } from './crc64.ts';

/** The integrity check of a block. */
export interface XzCheck {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

/** Bytes that each kind of check takes (xz file format, 2.1.1.2). */
const sizes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64] as const;

export function checkBytes(kind: number): number {
  return sizes[kind] ?? 0;
}

/** Undefined for kinds that are reserved: their bytes are passed over, as xz does. */
export function makeCheck(kind: number): XzCheck | undefined {
  if (kind === 1) return new Crc32();
  if (kind === 4) return new Crc64();
  return kind === 10 ? createHash('sha256') : undefined;
}

/** @returns four bytes, lowest first, as xz stores them */
export function crc32Bytes(crc: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(crc >>> 0);
  return bytes;
}

class Crc32 implements XzCheck {
  #crc = 0;

  update(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc);
  }

  digest(): Buffer {
    return crc32Bytes(this.#crc);
  }
}
