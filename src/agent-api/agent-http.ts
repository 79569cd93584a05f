import { Pool } from 'undici';
import type { z } from 'zod';
import { ImgctlError } from '../errors.ts';
import type { AgentClientOptions } from './agent-client.ts';
import { type Answer, readJsonAnswer, refuse } from './answer.ts';
import { connectionError } from './connection-errors.ts';
import { OutgoingBody } from './outgoing-body.ts';
import { tlsOptions } from './tls-options.ts';
import { trustError } from './trust-errors.ts';

/** Requests to one agent. Whatever goes wrong comes out as an ImgctlError that names the node. */

/** Blobs in flight, an event stream and small requests, with room: who sends bounds the blobs. */
const maxConnections = 64;

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';

interface JsonRequest<T> {
  readonly schema: z.ZodType<T>;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

interface Upload {
  readonly length: number;
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

export class AgentHttp {
  readonly #options: AgentClientOptions;
  readonly #pool: Pool;
  /** Whether the peer ever answered: who did has let us in. */
  #answered = false;

  constructor(options: AgentClientOptions) {
    this.#options = options;
    const { baseUrl, trust = {}, connectTimeoutMs = 10_000 } = options;
    const tls = baseUrl.protocol === 'https:' ? tlsOptions(baseUrl, trust) : {};
    this.#pool = new Pool(baseUrl.origin, {
      connections: maxConnections,
      pipelining: 1,
      // A blob takes as long as it takes; a caller who sees no progress aborts its signal
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: connectTimeoutMs, ...tls },
    });
  }

  async json<T>(method: Method, path: string, { schema, body, signal }: JsonRequest<T>): Promise<T> {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const payload = body === undefined ? null : JSON.stringify(body);
    return this.#guard(signal, async () => {
      const answer = await this.#request(method, path, headers, payload, signal);
      return readJsonAnswer(answer, schema);
    });
  }

  /** PUT of exactly `length` bytes. An answer that comes before all is sent is taken, and the source left. */
  async upload<T>(path: string, { length, body, signal }: Upload, schema: z.ZodType<T>): Promise<T> {
    const outgoing = length === 0 ? undefined : new OutgoingBody(body);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(length) };
    try {
      return await this.#guard(signal, async () => {
        const answer = await this.#request('PUT', path, headers, outgoing ?? null, signal);
        return readJsonAnswer(answer, schema);
      });
    } catch (error) {
      // undici reports a source that failed as the request's own failure: the source's word says more
      throw outgoing?.failure ?? error;
    } finally {
      outgoing?.stop();
    }
  }

  /** The body of a successful GET, as it arrives. */
  async *stream(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const answer = await this.#guard(signal, async () => {
      const opened = await this.#request('GET', path, { accept: 'application/x-ndjson' }, null, signal);
      if (opened.statusCode !== 200) throw await refuse(opened);
      return opened;
    });
    const chunks = answer.body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { value, done } = await this.#guard(signal, () => chunks.next());
        if (done) return;
        yield value as Uint8Array;
      }
    } finally {
      // What else comes is not wanted: the connection goes with it. An error after that has nobody to hear it.
      answer.body.on('error', () => {}).destroy();
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  /** An error that names this node, for what only the caller can see to be wrong. */
  protocolError(message: string): ImgctlError {
    return this.#named(
      new ImgctlError('node_protocol', message, { hint: 'Use the same version of imgctl on both sides.' }),
    );
  }

  async #request(
    method: Method,
    path: string,
    headers: Record<string, string>,
    body: string | OutgoingBody | null,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const token = this.#options.trust?.token;
    const answer = await this.#pool.request({
      method,
      path,
      headers: {
        ...headers,
        'user-agent': 'imgctl',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      // undici takes any iterable of bytes, its types only some
      body: body as string | null,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#answered = true;
    return answer;
  }

  async #guard<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // Who aborted said why, and that is the reason, whatever broke in consequence
      if (signal?.aborted && signal.reason instanceof ImgctlError) throw this.#named(signal.reason);
      throw this.#named(error instanceof ImgctlError ? error : await this.#explain(error, signal));
    }
  }

  async #explain(thrown: unknown, signal: AbortSignal | undefined): Promise<ImgctlError> {
    const { baseUrl: url, trust = {} } = this.#options;
    const distrust =
      url.protocol !== 'https:' || signal?.aborted
        ? undefined
        : await trustError(thrown, { url, trust, answered: this.#answered, signal });
    return distrust ?? connectionError(thrown, url, signal);
  }

  #named(error: ImgctlError): ImgctlError {
    const { name, baseUrl, trust } = this.#options;
    return withoutSecret(error, trust?.token).within({ node: name, address: baseUrl.host });
  }
}

/** A peer that sends back what it was told must not bring the token into an error. */
function withoutSecret(error: ImgctlError, secret: string | undefined): ImgctlError {
  if (secret === undefined || !JSON.stringify([error.message, error.hint, error.context]).includes(secret))
    return error;
  const clean = (text: string) => text.replaceAll(secret, '[token]');
  const context = Object.entries(error.context).map(([key, value]) => [
    key,
    typeof value === 'string' ? clean(value) : value,
  ]);
  return new ImgctlError(error.code, clean(error.message), {
    hint: error.hint === undefined ? undefined : clean(error.hint),
    context: Object.fromEntries(context),
  });
}
