import { type IncomingMessage, request } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { ImgctlError } from '../errors.ts';
import { giveBackChunk } from '../streams/chunk-pool.ts';

/** One request on a connection that stands, and its answer, which is taken whenever it comes. */

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export interface Outgoing {
  readonly method: 'GET' | 'POST';
  readonly host: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: AsyncIterable<Uint8Array> | undefined;
  /** Told of bytes that the socket took. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** All is sent; what is missing is the answer. */
  readonly onSent?: (() => void) | undefined;
}

/** Its answers are short: what is longer is not one of its own. */
const maxAnswerBytes = 64 * 1024;
/** In one write, so that a slow line shows that it moves. */
const writeBytes = 256 * 1024;
/** A server that knows nothing of `Expect` says nothing: then the body is sent all the same (RFC 9110, 10.1.1). */
const continueWithinMs = 5_000;

/**
 * The body is held back until the server asks for it, so that a refusal costs no upload; and an answer that comes while
 * the body is being sent is taken at once: the server closes behind it, and resets what is sent after.
 * @throws whatever broke the connection, the signal's reason, or what the body threw
 */
export async function exchange(socket: TLSSocket, outgoing: Outgoing, signal: AbortSignal): Promise<Answer> {
  const { method, host, path, headers = {}, body } = outgoing;
  const sent = request({
    method,
    path,
    setHost: false,
    headers: {
      host,
      'user-agent': 'imgctl',
      ...headers,
      ...(body === undefined ? {} : { expect: '100-continue' }),
    },
    createConnection: () => socket,
  });
  const onAbort = () => sent.destroy(new Error('aborted'));
  signal.addEventListener('abort', onAbort, { once: true });
  const asked = Promise.withResolvers<void>();
  sent.once('continue', asked.resolve);
  const over = new AbortController();
  let answered = false;
  const answer = new Promise<Answer>((resolve, reject) => {
    sent.once('response', (response) => {
      answered = true;
      over.abort();
      readAnswer(response).then(resolve, reject);
    });
    sent.on('error', reject);
    sent.once('close', () => {
      if (!answered) reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
    });
  }).finally(() => over.abort());
  answer.catch(() => {});
  try {
    signal.throwIfAborted();
    if (body === undefined) sent.end();
    else {
      sent.flushHeaders();
      const timer = setTimeout(asked.resolve, continueWithinMs);
      await Promise.race([asked.promise, isOver(over.signal)]);
      clearTimeout(timer);
      await send(body, sent, outgoing, over.signal);
    }
    return await answer;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    sent.destroy();
    socket.destroy();
  }
}

async function send(
  body: AsyncIterable<Uint8Array>,
  sent: ReturnType<typeof request>,
  { onBytes, onSent }: Outgoing,
  over: AbortSignal,
): Promise<void> {
  const ended = isOver(over);
  if (over.aborted) return;
  for await (const chunk of body) {
    for (let at = 0; at < chunk.byteLength; at += writeBytes) {
      const part = chunk.subarray(at, at + writeBytes);
      const taken = new Promise<void>((resolve) => {
        // Of a connection that broke, `answer` tells
        sent.write(part, (error) => {
          if (error) return;
          onBytes?.(part.byteLength);
          resolve();
        });
      });
      await Promise.race([taken, ended]);
      if (over.aborted) return;
    }
    giveBackChunk(chunk);
  }
  if (over.aborted) return;
  sent.end(onSent);
}

function isOver(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > maxAnswerBytes) {
      throw new ImgctlError('node_not_agent', "the answer is longer than MicroK8s's agent gives", {
        hint: 'Check what listens at that address.',
      });
    }
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}
