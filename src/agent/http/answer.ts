import type { FastifyReply, FastifyRequest } from 'fastify';
import { errorToWire } from '../../agent-api/errors.ts';
import type { ImgctlError } from '../../errors.ts';
import { type DrainBound, drain } from './drain.ts';
import { isHeldBack } from './expect-continue.ts';
import { httpStatus } from './status.ts';

/** Who has the token may finish what it sends, within reason: some clients read no answer before. */
export const trustedDrain: DrainBound = { bytes: 16 * 1024 ** 3, ms: 60_000 };
const strangerDrain: DrainBound = { bytes: 64 * 1024 ** 2, ms: 5_000 };
/** A client that was never asked for its body should not send one. */
const heldBackDrain: DrainBound = { bytes: 64 * 1024 ** 2, ms: 1_000 };

/**
 * Answers with JSON. Where the request's body is not read to its end the answer goes out at once and the connection
 * is drained behind it.
 */
export async function answerJson(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  reply.hijack();
  const [raw, response] = [request.raw, reply.raw];
  if (response.headersSent || response.destroyed) {
    // Too late for an answer: a broken connection is the only thing left to say
    response.destroy();
    return;
  }
  const bytes = Buffer.from(JSON.stringify(body));
  const heldBack = isHeldBack(raw);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.byteLength,
    ...headers,
    // Whether its body follows or not is unknown from here on, so nothing else can be on this connection
    ...(heldBack ? { connection: 'close' } : {}),
  });
  if (raw.complete || request.method === 'GET' || request.method === 'HEAD') {
    response.end(request.method === 'HEAD' ? undefined : bytes);
    return;
  }
  response.write(bytes);
  const bound = status === 401 || status === 429 ? strangerDrain : trustedDrain;
  await drain(raw, heldBack ? heldBackDrain : bound);
  response.end();
  if (!raw.complete) raw.socket.destroySoon();
}

export function answerError(
  request: FastifyRequest,
  reply: FastifyReply,
  error: ImgctlError,
  status = httpStatus(error.code),
): Promise<void> {
  return answerJson(request, reply, status, { error: errorToWire(error) }, retryAfter(error));
}

/** When to come again, in whole seconds (RFC 9110, 10.2.3), where the error says. */
export function retryAfter({ context: { retryAfterMs } }: ImgctlError): Readonly<Record<string, string>> {
  return typeof retryAfterMs === 'number' ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } : {};
}
