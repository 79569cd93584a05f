import type { Credential, EndpointTls } from '../image/registry-endpoint.ts';
import { orAborted } from '../streams/or-aborted.ts';
import type { Challenge } from './challenge.ts';
import { basicHeader, fetchToken } from './fetch-token.ts';
import type { Transport } from './transport.ts';

export interface AuthorizerOptions {
  readonly transport: Transport;
  readonly registry: URL;
  readonly tls?: EndpointTls | undefined;
  /** All that may fit, the best first; asked for when the registry wants one. */
  credentials(): Promise<readonly Credential[]>;
}

/** Before its end a token is replaced, in milliseconds: a clock may differ. */
const earlyMs = 5_000;

interface Grant {
  readonly header: string;
  readonly expiresAt: number;
  /** Which of the candidates it is from. */
  readonly candidate: number;
  readonly challenge: Challenge;
  /** Whether the registry has taken it. */
  proven: boolean;
}

/** An answer that is on its way, for all who wait for it. */
interface Asking {
  readonly answer: Promise<string | undefined>;
  readonly ended: AbortController;
  waiting: number;
}

/**
 * Who one is to a registry, by scope. Nothing is shown before it is asked for; then every credential that may fit is
 * tried in its turn, at last none at all: what everybody may have is no less there for who has an old password.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #grants = new Map<string, Grant>();
  readonly #asking = new Map<string, Asking>();
  /** What was sent, also what was refused. */
  readonly #sent = new Set<string>();
  #candidates: Promise<readonly (Credential | undefined)[]> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Every secret that was sent or may be: none of them belongs into a message. */
  async secrets(): Promise<string[]> {
    const candidates = (await this.#candidates) ?? [];
    const own = candidates.flatMap((credential) =>
      credential === undefined ? [] : credential.kind === 'password' ? credential.password : credential.token,
    );
    return [...own, ...this.#sent].filter((secret) => secret !== '');
  }

  /** What to send at first: undefined where nothing is known yet. */
  async header(scope: string, signal?: AbortSignal): Promise<string | undefined> {
    const grant = this.#grants.get(scope);
    if (grant === undefined || Date.now() < grant.expiresAt - earlyMs) return grant?.header;
    return this.#once(scope, signal, (stop) => this.#grant(scope, [grant.challenge], grant.candidate, stop));
  }

  /** The registry has taken it. */
  accepted(scope: string, header: string | undefined): void {
    const grant = this.#grants.get(scope);
    if (grant !== undefined && grant.header === header) grant.proven = true;
  }

  /**
   * What to send in place of what was refused; undefined where nothing is left.
   * @throws ImgctlError `registry_failed`, `registry_unreachable`: the token server
   */
  async after(
    scope: string,
    refused: string | undefined,
    challenges: readonly Challenge[],
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const grant = this.#grants.get(scope);
    // Another request was faster
    if (grant !== undefined && grant.header !== refused) return grant.header;
    const known = challenges.length > 0 ? challenges : grant === undefined ? [] : [grant.challenge];
    const next = grant === undefined ? 0 : grant.proven ? grant.candidate : grant.candidate + 1;
    return this.#once(scope, signal, (stop) => this.#grant(scope, known, next, stop));
  }

  /** Requests that are refused at once share one answer: it is for all of them, and ends when none wants it any more. */
  async #once(
    scope: string,
    signal: AbortSignal | undefined,
    ask: (stop: AbortSignal) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const asking = this.#asking.get(scope) ?? this.#begin(scope, ask);
    asking.waiting += 1;
    try {
      return await orAborted(asking.answer, signal);
    } finally {
      asking.waiting -= 1;
      if (asking.waiting === 0) {
        this.#end(scope, asking);
        asking.ended.abort();
      }
    }
  }

  #begin(scope: string, ask: (stop: AbortSignal) => Promise<string | undefined>): Asking {
    const ended = new AbortController();
    const asking: Asking = { answer: ask(ended.signal), ended, waiting: 0 };
    this.#asking.set(scope, asking);
    const end = () => this.#end(scope, asking);
    asking.answer.then(end, end);
    return asking;
  }

  #end(scope: string, asking: Asking): void {
    if (this.#asking.get(scope) === asking) this.#asking.delete(scope);
  }

  async #grant(
    scope: string,
    challenges: readonly Challenge[],
    from: number,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    this.#candidates ??= this.#find();
    const candidates = await this.#candidates;
    for (let candidate = from; candidate < candidates.length; candidate += 1) {
      for (const challenge of challenges) {
        const made = await this.#answer(challenge, scope, candidates[candidate], signal);
        if (made === undefined) continue;
        this.#sent.add(made.header.replace(/^\S+ /, ''));
        this.#grants.set(scope, { ...made, candidate, challenge, proven: false });
        return made.header;
      }
    }
    this.#grants.delete(scope);
    return undefined;
  }

  /** What could not be found out is asked for another time. */
  async #find(): Promise<readonly (Credential | undefined)[]> {
    try {
      return [...(await this.#options.credentials()), undefined];
    } catch (error) {
      this.#candidates = undefined;
      throw error;
    }
  }

  async #answer(
    challenge: Challenge,
    scope: string,
    credential: Credential | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly header: string; readonly expiresAt: number } | undefined> {
    const always = { expiresAt: Number.POSITIVE_INFINITY };
    if (challenge.scheme === 'basic')
      return credential?.kind === 'password' ? { header: basicHeader(credential), ...always } : undefined;
    if (challenge.scheme !== 'bearer') return undefined;
    if (credential?.kind === 'registry') return { header: `Bearer ${credential.token}`, ...always };
    const token = await fetchToken({ ...this.#options, challenge, scope, credential, signal });
    return token === undefined ? undefined : { header: `Bearer ${token.value}`, expiresAt: token.expiresAt };
  }
}
