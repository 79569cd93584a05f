import { Pool } from 'undici';
import type * as z from 'zod';
import { ImgctlError } from '../errors.ts';
import { orAborted } from '../streams/or-aborted.ts';
import { PacedBody, passAll } from '../streams/paced-body.ts';
import type { Flow } from '../streams/rate-limit.ts';
import type { AgentClientOptions } from './agent-client.ts';
import { type Answer, readJsonAnswer, refuse } from './answer.ts';
import { connectionError } from './connection-errors.ts';
import { OutgoingBody } from './outgoing-body.ts';
import { enoughStatus } from './routes.ts';
import { tlsOptions } from './tls-options.ts';
import { trustError } from './trust-errors.ts';
import { withoutSecret } from './without-secret.ts';

/** Requests to one agent. Whatever goes wrong comes out as an ImgctlError that names the node. */

/** Blobs in flight, an event stream and small requests, with room: who sends bounds the blobs. */
const defaultConnections = 64;

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';

interface JsonRequest<T> {
  readonly schema: z.ZodType<T>;
  readonly body?: unknown;
  /** Told of every informational answer (1xx): the agent works on it. */
  readonly onAlive?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Download {
  readonly headers: Record<string, string>;
  /** Sees the head of an answer that is no refusal; throws where it is not what was asked for. */
  readonly check?: ((answer: Pick<Answer, 'statusCode' | 'headers'>) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Upload {
  /** In bytes; undefined: sent in chunks, until it ends. */
  readonly length: number | undefined;
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly headers?: Record<string, string> | undefined;
  /** Told of every informational answer (1xx): the agent works on it. */
  readonly onAlive?: (() => void) | undefined;
  /** Told that the agent has enough: the body is not read on, the answer is still waited for. */
  readonly onEnough?: (() => void) | undefined;
  /** In place of the client's own. */
  readonly flow?: Flow | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class AgentHttp {
  readonly #options: AgentClientOptions;
  readonly #pool: Pool;
  /** Of all that is sent, where there is a limit. */
  readonly #flow: Flow | undefined;
  #token: string | undefined;
  /** Whether the peer ever answered: who did has let us in. */
  #answered = false;

  constructor(options: AgentClientOptions) {
    this.#options = options;
    const { baseUrl, trust = {}, connectTimeoutMs = 10_000, connections = defaultConnections } = options;
    this.#token = trust.token;
    this.#flow = options.uplink?.flow();
    const tls = baseUrl.protocol === 'https:' ? tlsOptions(baseUrl, trust) : {};
    this.#pool = new Pool(baseUrl.origin, {
      connections,
      pipelining: 1,
      // A blob takes as long as it takes; a caller who sees no progress aborts its signal
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: connectTimeoutMs, ...tls },
    });
  }

  /** When a body that this client sends last waited for its limit, by `performance.now()`. */
  get waitedAt(): number {
    return this.#flow?.waitedAt ?? Number.NEGATIVE_INFINITY;
  }

  async json<T>(method: Method, path: string, { schema, body, onAlive, signal }: JsonRequest<T>): Promise<T> {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const payload = body === undefined ? null : JSON.stringify(body);
    return this.#guard(signal, async () => {
      if (this.#flow !== undefined && payload !== null)
        await passAll(Buffer.byteLength(payload), this.#flow, signal);
      const token = this.#token;
      const answer = await this.#request(method, path, headers, payload, signal, onAlive);
      if (answer.statusCode !== 401 || !this.#hasOlderToken(token)) return readJsonAnswer(answer, schema);
      const refusal = await refuse(answer);
      const again = await this.#request(method, path, headers, payload, signal, onAlive);
      if (again.statusCode !== 401) return readJsonAnswer(again, schema);
      // The refusal of the token that is meant is the one to tell
      await again.body.dump();
      this.#token = this.#options.trust?.token;
      throw refusal;
    });
  }

  /** Nodes learn of a new token one after the other: until then each takes the old one. Whoever speaks to it asks first. */
  #hasOlderToken(refused: string | undefined): boolean {
    const { token, previousToken } = this.#options.trust ?? {};
    if (previousToken === undefined || refused !== token) return false;
    this.#token = previousToken;
    return true;
  }

  /** PUT of exactly `length` bytes, or of all that there are. An answer that comes before all is sent is taken, and the source left. */
  async upload<T>(path: string, upload: Upload, schema: z.ZodType<T>): Promise<T> {
    const { length, body, signal, onAlive, onEnough, flow = this.#flow } = upload;
    const open = flow === undefined ? body : () => new PacedBody(body(), flow, signal);
    const outgoing = length === 0 ? undefined : new OutgoingBody(open);
    const headers = {
      'content-type': 'application/octet-stream',
      ...(length !== undefined && { 'content-length': String(length) }),
      ...upload.headers,
    };
    const informed = ({ statusCode }: { readonly statusCode: number }) => {
      onAlive?.();
      if (statusCode !== enoughStatus) return;
      outgoing?.hold();
      onEnough?.();
    };
    try {
      return await this.#guard(signal, async () => {
        const answer = await this.#request('PUT', path, headers, outgoing ?? null, signal, informed);
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
  async *stream(path: string, { headers, check, signal }: Download): AsyncGenerator<Uint8Array> {
    const answer = await this.#guard(signal, async () => {
      const opened = await this.#request('GET', path, headers, null, signal);
      if (opened.statusCode !== 200 && opened.statusCode !== 206) throw await refuse(opened);
      try {
        check?.(opened);
      } catch (error) {
        unwanted(opened);
        throw error;
      }
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
      unwanted(answer);
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
    onInfo?: (info: { readonly statusCode: number }) => void,
  ): Promise<Answer> {
    const token = this.#token;
    const asked = this.#pool.request({
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
      ...(onInfo === undefined ? {} : { onInfo }),
    });
    // undici hears of an abort only once a connection stands: a host that is down would hold Ctrl-C up
    const answer = await orAborted(asked, signal);
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
    return withoutSecret(withoutSecret(error, trust?.token), trust?.previousToken).within({
      node: name,
      address: baseUrl.host,
    });
  }
}

/** What else comes is not wanted: the connection goes with it. An error after that has nobody to hear it. */
function unwanted({ body }: Answer): void {
  body.on('error', () => {}).destroy();
}
