import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';
import { maxDocumentBytes } from '../../image/documents.ts';
import type { ByteRange } from '../store.ts';
import { content } from './api/content.ts';
import { blobUnknown } from './content-errors.ts';
import { blobInfo } from './content-info.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { isNotFound } from './grpc/errors.ts';

/** @throws ImgctlError `blob_unknown` */
export async function* readBlob(
  connection: Connection,
  digest: Digest,
  { offset = 0, length }: ByteRange = {},
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const info = await blobInfo(connection, digest, { signal });
  if (info === undefined) throw blobUnknown(digest);
  const end = Math.min(info.size, length === undefined ? info.size : offset + length);
  try {
    if (offset >= end) return;
    const request = { digest, offset, size: end - offset };
    for await (const { data } of connection.stream(content.read, request, { signal })) yield data;
  } catch (error) {
    if (isNotFound(error)) throw blobUnknown(digest, error);
    throw error;
  }
}

/** The bytes of an index, a manifest or a config; undefined where it is not here. containerd verified them. */
export async function readDocumentIfHere(
  connection: Connection,
  { digest, size }: Descriptor,
  options: CallOptions = {},
): Promise<Uint8Array | undefined> {
  // Too large to be one: whoever parses it says so, from its first byte too many
  const part = { digest, offset: 0, size: Math.min(size, maxDocumentBytes + 1) };
  const chunks: Uint8Array[] = [];
  try {
    for await (const { data } of connection.stream(content.read, part, options)) chunks.push(data);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  return Buffer.concat(chunks);
}
