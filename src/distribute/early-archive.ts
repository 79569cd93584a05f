import type { Declaration, ImportState, NodeInfo } from '../agent-api/schemas.ts';
import type { GrowingSource, SourceBlob } from '../image/source.ts';
import type { Early } from '../transfer/send-early.ts';
import type { Peer } from './fan-out-options.ts';
import { NeededBlobs } from './needed-blobs.ts';

/** An archive that is still being read while its blobs go to nodes, as all of them share it. */
export class EarlyArchive implements Pick<GrowingSource, 'arrivals'> {
  /** What is declared to every node, once all is read. Rejects when nothing can be made of it. */
  readonly declaration: Promise<Declaration>;
  /** The same, once it is known. */
  known: Declaration | undefined;
  /** Whether it was read in vain. */
  spoilt = false;
  readonly #source: GrowingSource;
  #needed: NeededBlobs | undefined;

  /** `declare` is asked once, when all is read. */
  constructor(source: GrowingSource, declare: () => Promise<Declaration>) {
    this.#source = source;
    this.declaration = this.#declare(declare);
    this.declaration.catch(() => {
      this.spoilt = true;
    });
  }

  arrivals(from: number, signal?: AbortSignal): Promise<readonly SourceBlob[]> {
    return this.#source.arrivals(from, signal);
  }

  /** As the import of one node sees it; `onEarly` is told of each blob that goes there before it is known to be needed. */
  seenBy({ have }: Peer, onEarly: Early['onEarly']): Early {
    const { declaration } = this;
    return { arrivals: (from, signal) => this.arrivals(from, signal), declaration, have, onEarly };
  }

  /** Calls `tell` with each blob that comes, until all is read. */
  async each(tell: (blob: SourceBlob) => void): Promise<void> {
    for (let told = 0; ; ) {
      const blobs = await this.arrivals(told);
      if (blobs.length === 0) return;
      for (const blob of blobs) tell(blob);
      told += blobs.length;
    }
  }

  /** Of what went to a node before anything was declared there, in bytes, once it answered the declaration. */
  async account(early: Iterable<SourceBlob>, state: ImportState, info: NodeInfo): Promise<EarlyAccount> {
    if (this.known === undefined) return { unneeded: 0, present: 0, documents: 0 };
    this.#needed ??= new NeededBlobs(this.known);
    const needed = await this.#needed.of(info, state.images);
    const missing = new Map(state.missing.map(({ digest, offset }) => [digest, offset] as const));
    let unneeded = 0;
    let present = 0;
    for (const { digest, size } of early) {
      if (needed.has(digest)) present += missing.get(digest) ?? size;
      else unneeded += size;
    }
    const documents = (this.known.documents ?? []).reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    return { unneeded, present, documents };
  }

  async #declare(declare: () => Promise<Declaration>): Promise<Declaration> {
    await this.#source.whole;
    this.known = await declare();
    return this.known;
  }
}

export interface EarlyAccount {
  /** Of blobs that no image needs on this node that was not there already. */
  readonly unneeded: number;
  /** Of what the node has, what it did not have before. */
  readonly present: number;
  /** Of all documents that are declared. */
  readonly documents: number;
}
