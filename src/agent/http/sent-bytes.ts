import type { FastifyRequest } from 'fastify';
import { lengthHeader, type WireEncodingName } from '../../agent-api/wire-encoding.ts';
import { ImgctlError } from '../../errors.ts';

export interface SentBytes {
  /** Absent: the blob's bytes as they are. */
  readonly encoding: WireEncodingName | undefined;
  /** Of the blob, from the offset on, whatever the encoding makes of them. */
  readonly length: number;
}

/**
 * What a request's head says of the bytes of a blob that follow. The blob's size comes of it, so that a body that was
 * cut cannot pass for a whole one. @throws ImgctlError `request_invalid`
 */
export function sentBytes({ headers }: Pick<FastifyRequest, 'headers'>): SentBytes {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity')
    return {
      encoding: undefined,
      length: bytes(headers['content-length'], 'a blob is sent with its Content-Length, not in chunks'),
    };
  if (encoding !== 'zstd')
    throw new ImgctlError('request_invalid', 'a blob is sent as it is, or with Content-Encoding: zstd');
  const length = headers[lengthHeader];
  return {
    encoding,
    length: bytes(length, `a compressed blob is sent with the length of its content in ${lengthHeader}`),
  };
}

function bytes(header: string | string[] | undefined, otherwise: string): number {
  const length = Number(header === undefined || header === '' ? Number.NaN : header);
  if (Number.isSafeInteger(length) && length >= 0) return length;
  throw new ImgctlError('request_invalid', otherwise);
}
