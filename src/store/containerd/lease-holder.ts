import { randomUUID } from 'node:crypto';
import { hasCode, ImgctlError } from '../../errors.ts';
import { leases } from './api/leases.ts';
import { type Connection, collectsWithinMs } from './grpc/connection.ts';
import { formatProcess, leaseLabels, thisProcess } from './lease-owner.ts';
import { keepUnder, resourcesOf } from './lease-resources.ts';

export interface LeaseHolderOptions {
  readonly connection: Connection;
  readonly owner: string;
  /** How long a lease lives unless it is renewed, in milliseconds; renewed at half of it. */
  readonly lifetimeMs: number;
}

/** The right to write under the lease that is current now. */
export interface LeaseUse extends Disposable {
  readonly id: string;
  /** Whether a younger lease took over: this one lives on until nobody uses it, or until it expires. */
  readonly stale: boolean;
}

interface HeldLease {
  readonly id: string;
  users: number;
  /** Resolved when a younger one took over and the last user is gone. */
  readonly idle: PromiseWithResolvers<void>;
}

/** Leases of this process that are in use: any other with its name on it was left, and may be adopted. */
const inUse = new Set<string>();

export function isInUse(leaseId: string): boolean {
  return inUse.has(leaseId);
}

/**
 * A lease in containerd that outlives its expiry as long as this process renews it. containerd cannot change a lease,
 * so renewing is: a new one, the old one's resources copied, new calls under the new one, the old one deleted
 * when its last call has ended.
 */
export class LeaseHolder {
  readonly #options: LeaseHolderOptions;
  #current: HeldLease;
  #timer: NodeJS.Timeout | undefined;
  /** Never rejects, as those below. */
  #renewal: Promise<void> = Promise.resolve();
  readonly #retirements = new Set<Promise<void>>();
  #ended = false;

  private constructor(options: LeaseHolderOptions, id: string) {
    this.#options = options;
    this.#current = { id, users: 0, idle: Promise.withResolvers() };
    this.#schedule(options.lifetimeMs / 2);
  }

  static async open(options: LeaseHolderOptions, signal?: AbortSignal): Promise<LeaseHolder> {
    return new LeaseHolder(options, await createLease(options, signal));
  }

  get id(): string {
    return this.#current.id;
  }

  /** @throws ImgctlError `lease_lost` when it was released or left */
  use(): LeaseUse {
    if (this.#ended) throw ended();
    const lease = this.#current;
    lease.users += 1;
    const isStale = () => lease !== this.#current;
    let isOver = false;
    return {
      id: lease.id,
      get stale() {
        return isStale();
      },
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        lease.users -= 1;
        if (lease.users === 0 && isStale()) lease.idle.resolve();
      },
    };
  }

  /** No more renewals; the lease stays until it expires. */
  async leave(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#renewal;
    await Promise.all(this.#retirements);
    inUse.delete(this.id);
  }

  /** Deletes the lease, and returns when garbage collection has taken what it alone kept. */
  async release(): Promise<void> {
    if (this.#ended) return;
    await this.leave();
    await deleteLease(this.#options.connection, this.id, { sync: true });
  }

  #schedule(delayMs: number): void {
    if (this.#ended) return;
    this.#timer = setTimeout(() => {
      this.#renewal = this.#renew().catch(() => {
        // containerd is down, perhaps: the old lease is good for as long again
        this.#schedule(this.#options.lifetimeMs / 20);
      });
    }, delayMs);
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    const { connection, lifetimeMs } = this.#options;
    const old = this.#current;
    const id = await createLease(this.#options);
    try {
      await keepUnder(connection, id, await resourcesOf(connection, old.id));
    } catch (error) {
      inUse.delete(id);
      await deleteLease(connection, id).catch(() => {});
      throw error;
    }
    this.#current = { id, users: 0, idle: Promise.withResolvers() };
    this.#schedule(lifetimeMs / 2);
    const retirement = this.#retire(old)
      .catch(() => {})
      .finally(() => this.#retirements.delete(retirement));
    this.#retirements.add(retirement);
  }

  /** What calls that had begun brought under the old lease after it was copied is copied too, before it goes. */
  async #retire(old: HeldLease): Promise<void> {
    const { connection } = this.#options;
    if (old.users > 0) await old.idle.promise;
    try {
      await keepUnder(connection, this.id, await resourcesOf(connection, old.id));
      await deleteLease(connection, old.id);
    } finally {
      inUse.delete(old.id);
    }
  }
}

function ended(): ImgctlError {
  return new ImgctlError('lease_lost', 'the lease has ended: what is written now would be lost', {
    hint: 'Declare the import again: what has arrived is still there.',
  });
}

async function createLease(options: LeaseHolderOptions, signal?: AbortSignal): Promise<string> {
  const id = `imgctl-${randomUUID()}`;
  inUse.add(id);
  try {
    await options.connection.unary(
      leases.create,
      {
        id,
        labels: {
          [leaseLabels.expire]: new Date(Date.now() + options.lifetimeMs).toISOString(),
          [leaseLabels.owner]: options.owner,
          [leaseLabels.process]: formatProcess(thisProcess()),
        },
      },
      { signal },
    );
    return id;
  } catch (error) {
    inUse.delete(id);
    throw error;
  }
}

/** It may be gone already: expired, or deleted by hand. */
export async function deleteLease(
  connection: Connection,
  id: string,
  { sync = false }: { readonly sync?: boolean } = {},
): Promise<void> {
  try {
    await connection.unary(leases.delete, { id, sync }, { timeoutMs: collectsWithinMs });
  } catch (error) {
    if (!hasCode(error, 'lease_lost')) throw error;
  }
}
