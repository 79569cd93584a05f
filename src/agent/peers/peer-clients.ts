import { type AgentClient, type AgentTrust, createAgentClient } from '../../agent-api/agent-client.ts';
import { parsePeerUrl } from './peer-url.ts';

/** An agent's clients to other agents. They speak as a command does: with the cluster's token, or a certificate. */

/** What this agent shows to its peers, and what it verifies them against. */
export interface PeerTrust extends AgentTrust {
  /** Whether this agent serves plain HTTP itself, so that its peers may too. */
  readonly plainHttp: boolean;
}

/** A client in use; who disposes of it has ended its requests. */
export interface BorrowedPeer extends Disposable {
  /** As it was named. */
  readonly url: string;
  readonly client: AgentClient;
}

export interface PeerClientsOptions {
  /** As it stands now: a client of former trust is used to the end, and not again. */
  readonly trust: () => PeerTrust;
  /** Connections to one peer at once; what is more waits. */
  readonly connections?: number | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /** A client that nobody used for so long is closed. Milliseconds. */
  readonly idleMs?: number | undefined;
}

/** Clients that nobody uses, at most; the oldest go first. */
const maxIdle = 64;

interface Kept {
  readonly origin: string;
  readonly trust: PeerTrust;
  readonly client: AgentClient;
  users: number;
  /** Runs while nobody uses it. */
  timer: NodeJS.Timeout | undefined;
}

export class PeerClients implements AsyncDisposable {
  readonly #options: PeerClientsOptions;
  /** By origin, the one that was used last at the end. */
  readonly #kept = new Map<string, Kept>();
  /** All that are open: also those that are not lent any more. */
  readonly #open = new Set<Kept>();

  constructor(options: PeerClientsOptions) {
    this.#options = options;
  }

  /** @throws ImgctlError `request_invalid` for a URL that no peer may be named by */
  parse(url: string): URL {
    return parsePeerUrl(url, this.#options.trust().plainHttp ? 'anywhere' : 'nowhere');
  }

  /**
   * A client to the agent at `url`, which verifies it before it shows anything; `using` gives it back.
   * Nothing is connected before the first request.
   * @throws ImgctlError `request_invalid`
   */
  borrow(url: string): BorrowedPeer {
    const kept = this.#take(this.parse(url));
    kept.users += 1;
    let returned = false;
    return {
      url,
      client: kept.client,
      [Symbol.dispose]: () => {
        if (returned) return;
        returned = true;
        kept.users -= 1;
        if (kept.users === 0) this.#rest(kept);
      },
    };
  }

  /** Breaks off whatever is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open].map((kept) => this.#close(kept)));
  }

  #take(baseUrl: URL): Kept {
    const { origin, host: name } = baseUrl;
    const { connections = 32, connectTimeoutMs, trust: now } = this.#options;
    const trust = now();
    const kept = this.#kept.get(origin);
    this.#kept.delete(origin);
    clearTimeout(kept?.timer);
    const fits = kept !== undefined && isSame(kept.trust, trust);
    if (kept !== undefined && !fits && kept.users === 0) void this.#close(kept);
    const { plainHttp: _, ...shown } = trust;
    const taken = fits
      ? kept
      : {
          origin,
          trust,
          client: createAgentClient({ baseUrl, name, trust: shown, connections, connectTimeoutMs }),
          users: 0,
          timer: undefined,
        };
    this.#open.add(taken);
    this.#kept.set(origin, taken);
    return taken;
  }

  #rest(kept: Kept): void {
    if (this.#kept.get(kept.origin) !== kept) {
      void this.#close(kept);
      return;
    }
    kept.timer = setTimeout(() => void this.#close(kept), this.#options.idleMs ?? 60_000).unref();
    const idle = [...this.#kept.values()].filter(({ users }) => users === 0);
    for (const oldest of idle.slice(0, Math.max(0, idle.length - maxIdle))) void this.#close(oldest);
  }

  async #close(kept: Kept): Promise<void> {
    clearTimeout(kept.timer);
    this.#open.delete(kept);
    if (this.#kept.get(kept.origin) === kept) this.#kept.delete(kept.origin);
    await kept.client[Symbol.asyncDispose]();
  }
}

function isSame(one: PeerTrust, other: PeerTrust): boolean {
  return (['token', 'ca', 'cert', 'key', 'plainHttp'] as const).every((key) => one[key] === other[key]);
}
