import { ImgctlError } from '../errors.ts';
import { connectionError } from './connect.ts';
import { type Microk8sCredentials, whereCredentialsAre } from './credentials.ts';
import { exchange } from './exchange.ts';
import { agentDeadlineMs, importPath, tokenHeader } from './paths.ts';
import { isSuccess, refusalOf } from './refusal.ts';
import { connectTrusted } from './trusted-connection.ts';

/**
 * microk8s/ speaks to MicroK8s's cluster agent as its own client does, to nodes on which nothing was installed: a
 * whole archive in one request. Promises: the callback token goes to no peer whose certificate is not known, each
 * request has a connection of its own, no redirect is followed, and an answer is heard also while the archive is being
 * sent. May import: errors, streams.
 */

export interface Microk8sAgentOptions {
  /** Host and port; it is always spoken to over HTTPS. */
  readonly url: URL;
  readonly credentials: Microk8sCredentials;
}

export interface Upload {
  /** Bytes; absent: the archive ends where it ends. */
  readonly length?: number | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  onBytes(bytes: number): void;
  onSent(): void;
}

export interface Microk8sAgent {
  /** Upload and import of a request together have so long there, in milliseconds. */
  readonly deadlineMs: number;
  /** Makes sure that it is who it should be. @throws ImgctlError `node_untrusted`, `node_unreachable`, `node_unauthorized` */
  check(signal: AbortSignal): Promise<void>;
  /** @throws ImgctlError as `check`, and `store_failed`, `node_not_agent`, or what the archive's source threw */
  import(upload: Upload): Promise<void>;
}

export function createMicrok8sAgent({ url, credentials }: Microk8sAgentOptions): Microk8sAgent {
  return {
    deadlineMs: agentDeadlineMs,
    async check(signal) {
      const socket = await connectTrusted(url, credentials, signal);
      socket.destroy();
      mustHaveToken(credentials, url);
    },
    async import({ length, body, signal, onBytes, onSent }) {
      const token = mustHaveToken(credentials, url);
      const socket = await connectTrusted(url, credentials, signal);
      const begun = performance.now();
      const source = new ToldBody(body);
      const headers = {
        [tokenHeader]: token,
        'content-type': 'application/x-tar',
        ...(length === undefined ? { 'transfer-encoding': 'chunked' } : { 'content-length': length }),
      };
      try {
        const outgoing = {
          method: 'POST',
          host: url.host,
          path: importPath,
          headers,
          onBytes,
          onSent,
        } as const;
        const answer = await exchange(socket, { ...outgoing, body: source }, signal);
        if (isSuccess(answer)) return;
        throw withoutSecret(refusalOf(answer, url.host, performance.now() - begun), token);
      } catch (error) {
        // The archive's word says more than the connection that broke with it
        throw source.failure ?? brokenOff(connectionError(error, url, signal), source.begun);
      }
    },
  };
}

/** @throws ImgctlError `node_unauthorized` */
function mustHaveToken({ token, forbidden }: Microk8sCredentials, url: URL): string {
  if (token !== undefined) return token;
  throw new ImgctlError(
    'node_unauthorized',
    forbidden === undefined
      ? `MicroK8s's agent answers at ${url.host}, and its callback token is not known here`
      : `MicroK8s's agent answers at ${url.host}, and this user may not read ${forbidden}`,
    { hint: whereCredentialsAre, context: { address: url.host } },
  );
}

/** Remembers whether it was read, and what it threw. */
class ToldBody implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>;
  begun = false;
  failure: unknown;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#body = body;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    this.begun = true;
    try {
      yield* this.#body;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

/** It may have refused early and closed with the archive unread, so that its answer was lost. */
function brokenOff(error: ImgctlError, begun: boolean): ImgctlError {
  if (error.code !== 'node_unreachable' || !begun) return error;
  return new ImgctlError('node_unreachable', `${error.message} (while the archive was being sent)`, {
    hint: 'It may have ended because the node has no room for the images or containerd is down there: see df and microk8s status on the node. Otherwise run the command again.',
    context: { ...error.context, phase: 'send' },
    cause: error.cause,
  });
}

/** A peer that sends back what it was told must not bring the token into an error. */
function withoutSecret(error: ImgctlError, token: string): ImgctlError {
  if (!error.message.includes(token)) return error;
  const { code, message, hint, context } = error;
  return new ImgctlError(code, message.replaceAll(token, '[token]'), { hint, context });
}
