import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { ImgctlError } from '../errors.ts';
import type { EndpointTls } from '../image/registry-endpoint.ts';
import { orAborted } from '../streams/or-aborted.ts';
import { connectionError } from './registry-errors.ts';

export type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>;

export interface TransportRequest {
  readonly method?: 'GET' | 'POST' | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly tls?: EndpointTls | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Between two bytes of an answer. */
const silenceMs = 30_000;
/** For an answer to begin: all of its headers, however they come. */
const answerMs = 60_000;
const connectMs = 10_000;
/** Node.js's own limit, written down: a signed address of a blob store takes two. */
const maxHeaderBytes = 16 * 1024;

/** The connections to registries, token servers and blob stores, with what each is trusted by, and the proxies. */
export class Transport implements AsyncDisposable {
  readonly #dispatchers = new Map<string, Dispatcher>();
  readonly #proxyOf: (url: URL) => string | undefined;
  readonly #answerMs: number;

  constructor(proxyOf: (url: URL) => string | undefined = () => undefined, answerWithinMs = answerMs) {
    this.#proxyOf = proxyOf;
    this.#answerMs = answerWithinMs;
  }

  /** One request; redirects are answers. @throws ImgctlError `registry_unreachable`, `registry_untrusted`, `interrupted` */
  async request(url: URL, asked: TransportRequest): Promise<Answer> {
    const { method = 'GET', headers, body, signal } = asked;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(lateAnswer(url)), this.#answerMs);
    const stop = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    const sent = request(url, {
      dispatcher: this.#dispatcher(url, asked),
      method,
      headers: { 'user-agent': 'imgctl', 'accept-encoding': 'identity', ...headers },
      body: body ?? null,
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
      signal: stop,
    });
    try {
      // undici hears of an abort only once a connection stands
      return await orAborted(sent, stop);
    } catch (error) {
      throw connectionError(error, url, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  #dispatcher(url: URL, { tls = {}, connectTimeoutMs = connectMs }: TransportRequest): Dispatcher {
    const proxy = this.#proxyOf(url);
    if (proxy !== undefined && !isProxy(proxy)) throw noProxy();
    const isTls = url.protocol === 'https:';
    const { ca, cert, key: own, skipVerify } = tls;
    const key = JSON.stringify([isTls, ca, cert, own, skipVerify, connectTimeoutMs, proxy]);
    let dispatcher = this.#dispatchers.get(key);
    if (dispatcher === undefined) {
      const connect = { timeout: connectTimeoutMs, ...(isTls ? tlsOptions(tls) : {}) };
      const options = { connect, maxHeaderSize: maxHeaderBytes, pipelining: 1, allowH2: false };
      dispatcher =
        proxy === undefined
          ? new Agent(options)
          : new ProxyAgent({ ...options, uri: proxy, requestTls: connect, ...proxyTls(proxy) });
      this.#dispatchers.set(key, dispatcher);
    }
    return dispatcher;
  }
}

function isProxy(text: string): boolean {
  const proxy = URL.parse(text);
  // A password stands there with what it is not to be taken for written as %XX
  const isWritten = /^(?:[^%]|%[0-9A-F]{2})*$/i.test(`${proxy?.username}${proxy?.password}`);
  return /^https?:$/.test(proxy?.protocol ?? '') && isWritten;
}

/** Without its address: there may be a password in it. */
function noProxy(): ImgctlError {
  return new ImgctlError('config_invalid', 'the environment names a proxy that is no address of one', {
    hint: 'Write HTTPS_PROXY and HTTP_PROXY as http://HOST:PORT; NO_PROXY names what is reached without one.',
  });
}

function lateAnswer(url: URL): ImgctlError {
  return new ImgctlError(
    'registry_unreachable',
    `${url.host} cannot be reached: it takes the request and does not answer`,
    { hint: 'It may pass: try again.', context: { registry: url.host } },
  );
}

function proxyTls(proxy: string) {
  return proxy.startsWith('https:') ? { proxyTls: { ca: trusted() } } : {};
}

function tlsOptions({ ca, cert, key, skipVerify }: EndpointTls) {
  return {
    ca: ca === undefined ? trusted() : [...trusted(), ca],
    ...(cert === undefined ? {} : { cert, key: key ?? cert }),
    ...(skipVerify ? { rejectUnauthorized: false } : {}),
  };
}

let roots: string[] | undefined;

/** As Docker and containerd trust: also what the administrator of this machine added. */
function trusted(): string[] {
  roots ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return roots;
}
