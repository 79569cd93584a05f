import type { Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ImgctlError } from '../errors.ts';

const maxAttempts = 3;
const firstDelayMs = 250;

const reasons: Readonly<Record<string, string>> = {
  ESERVFAIL: 'the server failed to answer (SERVFAIL)',
  EREFUSED: 'the server refuses to answer',
  ETIMEOUT: 'no server answers',
  ECONNREFUSED: 'no server can be reached',
  EBADRESP: 'the answer cannot be read',
};

/** Questions about one name, asked again where that may help. */
export class DnsRecords {
  readonly #name: string;
  readonly #resolver: Resolver;
  readonly #signal: AbortSignal | undefined;

  constructor(name: string, resolver: Resolver, signal: AbortSignal | undefined) {
    this.#name = name;
    this.#resolver = resolver;
    this.#signal = signal;
  }

  /** No records where there are none of the kind, or no such name. */
  async ask<T>(owner: string, question: (resolver: Resolver) => Promise<T[]>): Promise<T[]> {
    for (let attempt = 1; ; attempt += 1) {
      this.#signal?.throwIfAborted();
      try {
        return await question(this.#resolver);
      } catch (error) {
        this.#signal?.throwIfAborted();
        const code = error instanceof Error && 'code' in error ? String(error.code) : '';
        if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
        // c-ares has tried a silent server again already
        if (attempt === maxAttempts || code === 'ETIMEOUT') throw this.#failed(owner, code, error);
        await sleep(firstDelayMs * 2 ** (attempt - 1), undefined, {
          ...(this.#signal === undefined ? {} : { signal: this.#signal }),
        });
      }
    }
  }

  #failed(owner: string, code: string, cause: unknown): ImgctlError {
    const why = reasons[code] ?? `the question failed (${code || 'unknown'})`;
    return new ImgctlError(
      'discovery_failed',
      `DNS could not be asked for the nodes of ${this.#name}: ${why}`,
      {
        hint: `Check the name servers of this machine (${this.#resolver.getServers().join(', ')}), or name the nodes: --nodes.`,
        context: { name: owner, reason: code },
        cause,
      },
    );
  }
}
