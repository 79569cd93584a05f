import { request } from 'undici';
import * as z from 'zod';
import { orAborted } from '../../streams/or-aborted.ts';
import type { ApiServer } from './api-server.ts';

/** One GET of the API of Kubernetes. */
export interface ApiGet {
  /** Below the server's address: `/api/v1/nodes`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Of an answer that is no refusal. */
  readonly maxBytes: number;
  readonly attemptMs: number;
  readonly signal: AbortSignal;
}

export interface ApiAnswer {
  readonly status: number;
  /** Undefined for what is no JSON, or longer than was allowed. */
  readonly json: unknown;
  readonly tooLong: boolean;
  /** What a refusal says of itself, without the credentials that were sent. */
  readonly said?: string | undefined;
  /** Of a refusal that leads on with a list that is as it is now. */
  readonly continueToken?: string | undefined;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
}

const maxRefusalBytes = 64 * 1024;

const statusSchema = z.object({
  message: z.string().optional(),
  reason: z.string().optional(),
  metadata: z.object({ continue: z.string().optional() }).optional(),
});

/** @throws what undici does, and what the signal is aborted with */
export async function apiGet(
  server: ApiServer,
  { path, query = {}, maxBytes, attemptMs, signal }: ApiGet,
): Promise<ApiAnswer> {
  const url = new URL(`${server.url.href.replace(/\/$/, '')}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const asked = request(url, {
    dispatcher: server.dispatcher,
    headers: { ...server.headers, accept: 'application/json', 'user-agent': 'imgctl' },
    headersTimeout: attemptMs,
    bodyTimeout: attemptMs,
    signal,
  });
  // undici hears of an abort only once a connection stands
  const answer = await orAborted(asked, signal);
  const isRefusal = answer.statusCode !== 200;
  const bytes = await readBounded(answer.body, isRefusal ? maxRefusalBytes : maxBytes);
  const json = parseJson(bytes);
  if (!isRefusal) return { status: 200, json, tooLong: bytes === undefined };
  const told = statusSchema.safeParse(json).data;
  const retryAfter = Number(answer.headers['retry-after'] ?? Number.NaN);
  return {
    status: answer.statusCode,
    json,
    tooLong: bytes === undefined,
    said: withoutCredentials(told?.message, server),
    continueToken: told?.metadata?.continue || undefined,
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
  };
}

/** Undefined, and no more read, where it is longer. */
async function readBounded(
  body: AsyncIterable<Uint8Array> & { destroy(): unknown },
  maxBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    // Leaving the loop destroys the stream
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

/** A server, or what stands before it, may send back what it was told. */
function withoutCredentials(text: string | undefined, { headers }: ApiServer): string | undefined {
  const secret = headers.authorization?.split(' ')[1];
  return secret ? text?.replaceAll(secret, '[credentials]') : text;
}
