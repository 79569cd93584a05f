import type { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { notePassed } from '../streams/reclaim.ts';
import type { AgentHttp } from './agent-http.ts';
import type { Answer } from './answer.ts';
import { maxRateHeader } from './max-rate.ts';
import { routes } from './routes.ts';

/** Bytes `offset` up to `offset + length` (at least one) of a blob of `size` bytes. */
export interface BlobRange {
  readonly digest: Digest;
  readonly size: number;
  readonly offset: number;
  readonly length: number;
  /** The agent is to send no faster, together with all else that it sends to its peers. Bytes a second. */
  readonly maxRate?: number | undefined;
}

/**
 * Reads a part of a blob that an agent has. An agent that announces or sends anything but exactly these bytes is not
 * listened to any longer, so that no more than `length` bytes ever come out.
 * @throws ImgctlError `blob_unknown`, `node_protocol`, `node_not_agent`, `node_unreachable`, …
 */
export async function* readBlobThere(
  http: AgentHttp,
  { digest, size, offset, length, maxRate }: BlobRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const end = offset + length;
  const check = (head: Head) => {
    const why = whyWrong(head, { size, offset, end });
    if (why !== undefined) throw wrong(http, digest, why);
  };
  const headers = {
    accept: 'application/octet-stream',
    ...(length === size ? {} : { range: `bytes=${offset}-${end - 1}` }),
    ...(maxRate === undefined ? {} : { [maxRateHeader]: String(maxRate) }),
  };
  let left = length;
  for await (const chunk of http.stream(routes.blob(digest), { headers, check, signal })) {
    left -= chunk.byteLength;
    if (left < 0) throw wrong(http, digest, 'more bytes than it announced');
    notePassed(chunk.byteLength);
    yield chunk;
  }
  if (left > 0) throw wrong(http, digest, 'fewer bytes than it announced');
}

type Head = Pick<Answer, 'statusCode' | 'headers'>;

interface Asked {
  readonly size: number;
  readonly offset: number;
  readonly end: number;
}

function whyWrong({ statusCode, headers }: Head, { size, offset, end }: Asked): string | undefined {
  const length = headers['content-length'];
  const whole = offset === 0 && end === size;
  if (statusCode === 200 && !whole)
    return length === `${size}` ? 'all of it' : `${length ?? 'endless'} bytes`;
  if (length !== `${end - offset}`) return length === undefined ? 'an endless answer' : `${length} bytes`;
  const range = headers['content-range'];
  if (statusCode === 206 && range !== `bytes ${offset}-${end - 1}/${size}`)
    return `the range ${range ?? '?'}`;
  return undefined;
}

function wrong(http: AgentHttp, digest: Digest, what: string): ImgctlError {
  return http.protocolError(`asked for a part of ${digest}, the agent answered with ${what}`);
}
