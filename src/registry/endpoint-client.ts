import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { hasCode, ImgctlError } from '../errors.ts';
import type { Credential, RegistryEndpoint } from '../image/registry-endpoint.ts';
import { Authorizer } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import { type Followed, followRedirects } from './follow-redirects.ts';
import { leave, readBounded } from './read-bounded.ts';
import { connectionError, redirectedInVain, refusedError } from './registry-errors.ts';
import { retryAfterMs } from './retry-after.ts';
import type { Answer, Transport } from './transport.ts';

/** How long one request is tried, in milliseconds. */
export interface Patience {
  readonly attempts: number;
  /** Before the second attempt; it doubles. */
  readonly firstDelayMs: number;
  /** A server that wants to be left alone for longer is given up. */
  readonly longestDelayMs: number;
}

export const defaultPatience: Patience = { attempts: 5, firstDelayMs: 500, longestDelayMs: 60_000 };

export interface EndpointRequest {
  /** Below the repository: `manifests/latest`. */
  readonly path: string;
  /** In words: for messages. */
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
}

/** Of those that may fit, so many are tried. */
const maxCredentials = 16;
const maxErrorBytes = 64 * 1024;
const passing: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

const errorsSchema = z.object({
  errors: z
    .array(z.object({ code: z.string().optional(), message: z.string().optional() }))
    .max(100)
    .nullish(),
});

/** One repository on one server: authorized, patient, and led on by redirects without taking secrets along. */
export class EndpointClient {
  readonly endpoint: RegistryEndpoint;
  readonly url: URL;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  readonly #scope: string;

  /** @throws ImgctlError `reference_invalid` */
  constructor(
    endpoint: RegistryEndpoint,
    transport: Transport,
    credentials: () => Promise<readonly Credential[]>,
  ) {
    this.endpoint = endpoint;
    const url = URL.parse(endpoint.url);
    if (url === null) throw noAddress(endpoint);
    this.url = url;
    this.#transport = transport;
    this.#scope = `repository:${endpoint.repository}:pull`;
    this.#authorizer = new Authorizer({ transport, registry: this.url, tls: endpoint.tls, credentials });
  }

  /**
   * The answer to a GET: 200 or 206, its body not yet read.
   * @throws ImgctlError `image_unknown` where it is not there, `registry_unauthorized`, `registry_untrusted`,
   *   `registry_unreachable`, `registry_failed`
   */
  async get(asked: EndpointRequest): Promise<Answer> {
    const { patience, signal } = asked;
    for (let attempt = 1; ; attempt += 1) {
      let error: ImgctlError;
      let delayMs = (patience.firstDelayMs * 2 ** (attempt - 1) * (1 + Math.random())) / 2;
      try {
        const { answer, by } = await this.#authorized(asked);
        if (answer.statusCode === 200 || answer.statusCode === 206) return answer;
        delayMs = Math.max(delayMs, retryAfterMs(answer.headers['retry-after']) ?? 0);
        error = await this.#refusal(answer, asked.what, by);
        if (!passing.has(answer.statusCode)) throw error;
      } catch (thrown) {
        // A name that nobody knows does not come to be known in a few seconds
        const hopeless = !hasCode(thrown, 'registry_unreachable') || thrown.context.reason === 'ENOTFOUND';
        if (hopeless || signal?.aborted) throw thrown;
        error = thrown;
        delayMs = Math.max(delayMs, Number(thrown.context.retryAfterMs ?? 0));
      }
      if (attempt >= patience.attempts || delayMs > patience.longestDelayMs) throw error;
      await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
    }
  }

  async #authorized({ path, headers = {}, signal }: EndpointRequest): Promise<Followed> {
    const url = this.#urlOf(path);
    let authorization = await this.#authorizer.header(this.#scope, signal);
    for (let tries = 1; ; tries += 1) {
      const own = { ...this.endpoint.headers, ...headers };
      const { answer, by } = await this.#follow(
        url,
        { ...own, ...(authorization && { authorization }) },
        headers,
        signal,
      );
      if (answer.statusCode !== 401 && answer.statusCode !== 403) {
        this.#authorizer.accepted(this.#scope, authorization);
        return { answer, by };
      }
      // Only the registry itself may ask for what is the registry's
      if (by !== undefined) {
        await leave(answer);
        throw redirectedInVain(this.url.host, by, answer.statusCode);
      }
      const challenges = answer.statusCode === 401 ? parseChallenges(answer.headers['www-authenticate']) : [];
      const next = await this.#authorizer.after(this.#scope, authorization, challenges, signal);
      if (next === undefined || tries >= maxCredentials) return { answer, by };
      await leave(answer);
      authorization = next;
    }
  }

  /** `plain`: the headers that another server may see. */
  #follow(
    start: URL,
    headers: Record<string, string>,
    plain: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<Followed> {
    const { tls, connectTimeoutMs } = this.endpoint;
    return followRedirects(this.#transport, start, {
      asked: (_, isOwn) => ({
        headers: isOwn ? headers : plain,
        tls: isOwn ? tls : tls?.ca === undefined ? undefined : { ca: tls.ca },
        connectTimeoutMs,
        signal,
      }),
    });
  }

  #urlOf(path: string): URL {
    const { url, repository, mirrorOf } = this.endpoint;
    const full = new URL(`${url}/${repository}/${path}`);
    if (mirrorOf !== undefined) full.searchParams.set('ns', mirrorOf);
    return full;
  }

  /** What another server says is for nobody: it may be one that only this machine reaches. */
  async #refusal(answer: Answer, what: string, by: string | undefined): Promise<ImgctlError> {
    const { statusCode: status } = answer;
    let said = '';
    try {
      const bytes = await readBounded(answer, maxErrorBytes);
      if (by === undefined) said = wordsOf(bytes);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
    // A server may send back what it was told
    for (const secret of await this.#secrets()) said = said.replaceAll(secret, '[credentials]');
    return refusedError({ status, url: this.url, what }, said);
  }

  /** The longest first: one may be part of another. Headers that are configured may be any of `scheme secret`. */
  async #secrets(): Promise<string[]> {
    const configured = Object.values(this.endpoint.headers ?? {}).flatMap((value) => [
      value,
      value.replace(/^\S+ /, ''),
    ]);
    const all = [...(await this.#authorizer.secrets()), ...configured];
    return all.filter((secret) => secret !== '').toSorted((a, b) => b.length - a.length);
  }

  /** What broke while a body was read. */
  broken(thrown: unknown, signal: AbortSignal | undefined): ImgctlError {
    return connectionError(thrown, this.url, signal);
  }
}

/** What a name of an image may be, and no server's: `256.1.1.1`, a port above 65535. */
function noAddress({ url }: RegistryEndpoint): ImgctlError {
  return new ImgctlError('reference_invalid', `${url} is no address of a registry`, {
    hint: 'Check the host and the port that the image is named by.',
  });
}

/** The words of an error document of the distribution specification; none of what is something else. */
function wordsOf(bytes: Buffer | undefined): string {
  try {
    const { errors } = errorsSchema.parse(JSON.parse(bytes?.toString('utf8') ?? ''));
    const [first] = errors ?? [];
    return first?.message || first?.code || '';
  } catch {
    return '';
  }
}
