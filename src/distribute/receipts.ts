import type { Digest } from '../image/digest.ts';
import type { Customer } from './order.ts';

/** What each node has, whole or in part, as far as it is known: by its own word, and by what came to it since. */
export class Receipts {
  readonly #whole = new Map<string, Set<Digest>>();
  /** How much of what it lacked, in bytes. */
  readonly #offsets = new Map<string, Map<Digest, number>>();

  /** A node comes, or comes again; answers what it has whole. */
  come({ name, lacks, has }: Customer): readonly Digest[] {
    const whole = this.#whole.get(name) ?? new Set();
    for (const digest of has) whole.add(digest);
    for (const { digest } of lacks) whole.delete(digest);
    // The answer to what it came for before may be on its way still
    const offsets = this.#offsets.get(name) ?? new Map<Digest, number>();
    for (const { digest, offset } of lacks) offsets.set(digest, offset);
    this.#offsets.set(name, offsets);
    this.#whole.set(name, whole);
    return [...whole];
  }

  /** A node that lacks nothing has this. */
  holds(node: string, has: readonly Digest[]): void {
    this.#whole.set(node, new Set(has));
  }

  /** It has a blob as far as `offset`; answers how many bytes more that is than was known, or 0. */
  got(node: string, digest: Digest, offset: number): number {
    const more = offset - this.offsetOf(node, digest);
    if (more <= 0) return 0;
    this.#offsets.get(node)?.set(digest, offset);
    return more;
  }

  offsetOf(node: string, digest: Digest): number {
    return this.#offsets.get(node)?.get(digest) ?? 0;
  }

  /** It has all of a blob, verified. */
  arrived(node: string, digest: Digest): void {
    this.#whole.get(node)?.add(digest);
  }

  hasAll(node: string, blobs: readonly { readonly digest: Digest }[]): boolean {
    const whole = this.#whole.get(node);
    return blobs.every(({ digest }) => whole?.has(digest));
  }
}
