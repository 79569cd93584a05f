import { errorToWire } from '../agent-api/errors.ts';
import type { ImageState, ImageStatus } from '../agent-api/schemas.ts';
import type { ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { ImageGraph } from '../image/graph.ts';
import { digestReference, formatReference, parseReference, type Reference } from '../image/reference.ts';
import type { StoredImage } from '../store/store.ts';
import { type Held, type ImportRules, isMet, manifestsToUnpack, type Need, needsOf } from './needs.ts';

/** One image of an import: what it is, what it needs, and where it stands. */
export class ImageEntry {
  readonly name: string;
  readonly reference: Reference;
  /** `repository@digest`, the name that it gets beside its own. */
  readonly digestName: string;
  readonly target: Descriptor;
  state: ImageState = 'declared';
  error: ImgctlError | undefined;
  unchanged = false;
  /** Whether somebody sees it through. */
  started = false;
  #graph: ImageGraph | undefined;
  #needs: readonly Need[] = [];
  #chainIds: readonly Digest[] = [];

  /** @throws ImgctlError `reference_invalid` */
  constructor(name: string, target: Descriptor) {
    const reference = parseReference(name);
    this.reference = reference;
    this.name = formatReference(reference);
    this.digestName = digestReference(reference, target.digest);
    this.target = target;
  }

  get graph(): ImageGraph | undefined {
    return this.#graph;
  }

  /** What it needs as far as that is known; nothing once it failed. */
  get needs(): readonly Need[] {
    return this.state === 'failed' ? [] : this.#needs;
  }

  /** Chain IDs that it is unpacked to. */
  get chainIds(): readonly Digest[] {
    return this.#chainIds;
  }

  /** Whether a document that leads to more blobs has not been read. */
  get unresolved(): boolean {
    return this.state !== 'failed' && (this.#graph === undefined || this.#graph.unread.length > 0);
  }

  get settled(): boolean {
    return this.state === 'ready' || this.state === 'failed';
  }

  resolved(graph: ImageGraph, rules: ImportRules): void {
    this.#graph = graph;
    this.#needs = needsOf(graph, rules);
    this.#chainIds = manifestsToUnpack(graph, rules).flatMap(({ layers }) =>
      layers.map(({ chainId }) => chainId),
    );
  }

  fail(error: ImgctlError): void {
    this.state = 'failed';
    this.error = error.within({ image: this.name });
  }

  isComplete(held: Held): boolean {
    return this.#graph !== undefined && !this.unresolved && this.#needs.every((need) => isMet(need, held));
  }

  isUnpacked(held: Held): boolean {
    return this.#chainIds.every((chainId) => held.unpacked.has(chainId));
  }

  /** Whether the store has both its names already, pinned and labelled where that is asked. */
  isNamed(stored: ReadonlyMap<string, StoredImage>, { pin, labels }: ImportRules): boolean {
    return [this.name, this.digestName].every((name) => {
      const image = stored.get(name);
      return (
        image?.target.digest === this.target.digest &&
        (!pin || image.labels['io.cri-containerd.pinned'] === 'pinned') &&
        Object.entries(labels).every(([key, value]) => image.labels[key] === value)
      );
    });
  }

  status(): ImageStatus {
    const { name, target, state, unchanged, error } = this;
    return {
      name,
      digest: target.digest,
      state,
      ...(unchanged ? { unchanged } : {}),
      ...(error === undefined ? {} : { error: errorToWire(error) }),
    };
  }
}
