import type { MissingBlob } from '../agent-api/schemas.ts';
import type { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { Stop } from './carry.ts';

/** A node that is fed again so often for one blob, and gets nothing of it, has failed by itself. */
const maxTries = 8;

/** A node that lacks something, and can be given it. */
export interface Customer extends Stop {
  readonly lacks: readonly MissingBlob[];
  readonly has: readonly Digest[];
  readonly relays: boolean;
  readonly fetches: boolean;
  readonly leads: boolean;
  /** Whether it reads registries itself; absent: it does not. */
  readonly pulls?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Bytes that it got from its peers. */
  fetched(bytes: number): void;
  /** Bytes that it got from registries. */
  pulled?(bytes: number): void;
}

/** What a node waits for, until it has all of it, or is given up. */
export class Order {
  readonly customer: Customer;
  readonly open: Set<Digest>;
  /** Why nobody gave it a blob when last asked. */
  readonly ungiven = new Map<Digest, ImgctlError>();
  readonly done = Promise.withResolvers<void>();
  /** How often in vain, since the node had as much of a blob. */
  readonly #tries = new Map<Digest, { readonly at: number; readonly count: number }>();

  constructor(customer: Customer) {
    this.customer = customer;
    this.open = new Set(customer.lacks.map(({ digest }) => digest));
    this.done.promise.catch(() => undefined);
  }

  /** It was to get a blob, of which it has `at` bytes now; answers whether that was so too often without any gain. */
  triedInVain(digest: Digest, at: number): boolean {
    const before = this.#tries.get(digest);
    const count = before?.at === at ? before.count + 1 : 1;
    this.#tries.set(digest, { at, count });
    return count >= maxTries;
  }
}
