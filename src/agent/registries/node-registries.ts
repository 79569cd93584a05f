import type { RegistryLogin } from '../../agent-api/registry-source.ts';
import { machineRegistries } from '../../config/registries/machine-registries.ts';
import { type RegistryPlaces, registryHosts } from '../../config/registries/registry-hosts.ts';
import { RegistryClients } from '../../registry/registry-clients.ts';
import type { Log } from '../log.ts';

export interface NodeRegistriesOptions extends Pick<RegistryPlaces, 'registries' | 'hostsDir'> {
  /** For the places of files, for credential helpers, and for proxies. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/** Clients in use; who disposes of it has ended its requests. */
export interface BorrowedClients extends Disposable {
  readonly clients: RegistryClients;
}

interface Kept {
  readonly clients: Promise<RegistryClients>;
  readonly ended: AbortController;
  users: number;
  /** Runs while nobody uses it. */
  timer: NodeJS.Timeout | undefined;
}

/** What one node does not get soon, another may. */
const patience = { attempts: 3, firstDelayMs: 500, longestDelayMs: 60_000 };

/** What nobody used for so long is forgotten: connections, tokens, credentials. Milliseconds. */
const idleMs = 5_000;

/**
 * Registries as this node has them configured: with its mirrors, certificates and credentials. What stands in its files
 * is read anew for each that pulls: an agent runs for months, and passwords change.
 */
export class NodeRegistries implements AsyncDisposable {
  readonly #options: NodeRegistriesOptions;
  readonly #kept = new Map<string, Kept>();

  private constructor(options: NodeRegistriesOptions) {
    this.#options = options;
  }

  /** @throws ImgctlError `config_invalid`, `usage`: what was named is no good */
  static async open(options: NodeRegistriesOptions): Promise<NodeRegistries> {
    if (options.registries !== undefined || options.hostsDir !== undefined) await registryHosts(options);
    return new NodeRegistries(options);
  }

  /**
   * Clients for all that is pulled for one purpose, with logins that come before the node's own.
   * @throws ImgctlError `config_invalid`
   */
  async borrow(purpose: string, logins: readonly RegistryLogin[] = []): Promise<BorrowedClients> {
    const key = logins.length === 0 ? purpose : `${purpose} ${JSON.stringify(logins)}`;
    const kept = this.#kept.get(key) ?? this.#open(logins);
    this.#kept.set(key, kept);
    clearTimeout(kept.timer);
    kept.users += 1;
    let returned = false;
    const giveBack = () => {
      if (returned) return;
      returned = true;
      kept.users -= 1;
      if (kept.users === 0) kept.timer = setTimeout(() => void this.#close(key, kept), idleMs).unref();
    };
    try {
      return { clients: await kept.clients, [Symbol.dispose]: giveBack };
    } catch (error) {
      giveBack();
      await this.#close(key, kept);
      throw error;
    }
  }

  /** Breaks off whatever is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#kept].map(([key, kept]) => this.#close(key, kept)));
  }

  #open(logins: readonly RegistryLogin[]): Kept {
    const { log, ...places } = this.#options;
    const ended = new AbortController();
    const documents = logins.map(({ source, entries }) => ({
      source,
      document: { entries, helpers: new Map<string, string>() },
    }));
    const onWarning = (message: string) => log.warn({ message }, 'registries');
    const opened = machineRegistries({ ...places, documents, signal: ended.signal, onWarning });
    const clients = opened.then((settings) => new RegistryClients({ ...settings, patience }));
    return { clients, ended, users: 0, timer: undefined };
  }

  async #close(key: string, { clients, ended, timer }: Kept): Promise<void> {
    clearTimeout(timer);
    this.#kept.delete(key);
    ended.abort();
    const opened = await clients.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  }
}
