import { createGunzip } from 'node:zlib';
import { decodedBytes, throughZlib } from './zlib.ts';

/** Decodes gzip (RFC 1952), also several members one after the other, as pigz and `cat a.gz b.gz` write. */
export function gunzip(input: AsyncIterable<Uint8Array>, label: string): AsyncIterable<Uint8Array> {
  return throughZlib(input, createGunzip({ chunkSize: decodedBytes }), { label, format: 'gzip' });
}
