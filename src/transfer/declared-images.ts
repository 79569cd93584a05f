import type { ImportState, More } from '../agent-api/schemas.ts';
import { ImgctlError, toImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import { resolveGraph } from '../image/graph.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import type { Store, WriteOptions } from '../store/store.ts';
import { ImageEntry } from './image-entry.ts';
import type { ImportContent } from './import-content.ts';
import { type ImportRules, isMet, missingOf, type Need } from './needs.ts';

export type Repositories = NonNullable<WriteOptions['repositories']>;

interface NeededBlob {
  readonly descriptor: Descriptor;
  readonly repositories: Map<string, Repositories[number]>;
}

/** The images that an import should bring, and the blobs that follow from them as far as documents are at hand. */
export class DeclaredImages {
  readonly #store: Store;
  readonly #content: ImportContent;
  readonly #rules: ImportRules;
  readonly #choice: PlatformChoice;
  readonly #entries = new Map<string, ImageEntry>();
  readonly #unsettled = new Set<ImageEntry>();
  readonly #needed = new Map<Digest, NeededBlob>();
  #totalBytes = 0;
  #presentBytes = 0;

  constructor(store: Store, content: ImportContent, rules: ImportRules, choice: PlatformChoice) {
    this.#store = store;
    this.#content = content;
    this.#rules = rules;
    this.#choice = choice;
  }

  get entries(): readonly ImageEntry[] {
    return [...this.#entries.values()];
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Asked whenever one image ends: each is looked at until it is settled, and not again. */
  get settled(): boolean {
    for (const entry of this.#unsettled) {
      if (!entry.settled) return false;
      this.#unsettled.delete(entry);
    }
    return true;
  }

  /** Declares images and documents, finds what they need, and stores the documents. Answers the new images. */
  async add(more: More, signal?: AbortSignal): Promise<readonly ImageEntry[]> {
    for (const { descriptor, data } of more.documents ?? []) {
      this.#content.addDocument(descriptor, Buffer.from(data, 'base64'));
    }
    const added: ImageEntry[] = [];
    for (const { name, target } of more.images ?? []) {
      if (name === undefined) throw unnamed(target);
      const entry = new ImageEntry(name, target);
      // Of two of one name the last counts, and nobody waits for the other
      const before = this.#entries.get(entry.name);
      if (before !== undefined) this.#unsettled.delete(before);
      this.#entries.set(entry.name, entry);
      this.#unsettled.add(entry);
      added.push(entry);
    }
    // What was declared before may have waited for these documents
    await this.#resolve(
      this.entries.filter(({ unresolved }) => unresolved),
      signal,
    );
    return added;
  }

  /** A blob came. Where it is a document that images waited for, what they need may have grown. */
  async blobArrived(digest: Digest, signal?: AbortSignal): Promise<void> {
    this.#content.arrived(digest);
    const waiting = this.entries.filter(
      (entry) => entry.unresolved && entry.graph?.unread.some((document) => document.digest === digest),
    );
    if (waiting.length > 0) await this.#resolve(waiting, signal);
  }

  /** Puts declared documents into the store. */
  async storeDocuments(signal?: AbortSignal): Promise<void> {
    await this.#content.storeDocuments(
      [...this.#needed.values()].map(({ descriptor, repositories }) => ({
        descriptor,
        repositories: [...repositories.values()],
      })),
      signal,
    );
  }

  /** Marks images of which everything is there, their names included: nothing has to be done for them. */
  async findUnchanged(entries: readonly ImageEntry[], signal?: AbortSignal): Promise<void> {
    const whole = entries.filter(
      (entry) => entry.isComplete(this.#content) && entry.isUnpacked(this.#content),
    );
    if (whole.length === 0) return;
    const stored = new Map((await this.#store.listImages(signal)).map((image) => [image.name, image]));
    for (const entry of whole) entry.unchanged = entry.isNamed(stored, this.#rules);
  }

  /** What is known of a blob that some image needs. */
  needed(
    digest: Digest,
  ): { readonly descriptor: Descriptor; readonly repositories: Repositories } | undefined {
    const blob = this.#needed.get(digest);
    return blob && { descriptor: blob.descriptor, repositories: [...blob.repositories.values()] };
  }

  state(id: string): ImportState {
    return {
      id,
      images: this.entries.map((entry) => entry.status()),
      missing: missingOf(
        this.entries.flatMap(({ needs }) => needs),
        this.#content,
      ),
      totalBytes: this.#totalBytes,
      presentBytes: this.#presentBytes,
    };
  }

  async #resolve(entries: readonly ImageEntry[], signal?: AbortSignal): Promise<void> {
    for (const entry of entries) {
      try {
        const graph = await resolveGraph(entry.target, this.#choice, (document) =>
          this.#content.document(document, signal),
        );
        entry.resolved(graph, this.#rules);
      } catch (error) {
        signal?.throwIfAborted();
        const failure = toImgctlError(error);
        if (!isOfImage(failure)) throw failure;
        entry.fail(failure);
      }
    }
    const needs = entries.flatMap((entry) => entry.needs);
    const blobs = new Map(needs.map(({ descriptor }) => [descriptor.digest, descriptor]));
    const chainIds = new Set(entries.flatMap((entry) => entry.chainIds));
    await this.#content.claim([...blobs.values()], [...chainIds], signal);
    for (const entry of entries) for (const need of entry.needs) this.#need(need, entry);
  }

  #need(need: Need, { reference: { registry, repository } }: ImageEntry): void {
    const { descriptor } = need;
    let blob = this.#needed.get(descriptor.digest);
    if (blob === undefined) {
      blob = { descriptor, repositories: new Map() };
      this.#needed.set(descriptor.digest, blob);
      this.#totalBytes += descriptor.size;
      const held = isMet(need, this.#content)
        ? descriptor.size
        : (this.#content.partial.get(descriptor.digest) ?? 0);
      this.#presentBytes += Math.min(descriptor.size, held);
    }
    blob.repositories.set(`${registry}/${repository}`, { registry, repository });
  }
}

/** Whether one image is at fault, rather than the store that all of them go to. */
function isOfImage({ code }: ImgctlError): boolean {
  return !code.startsWith('store_') && code !== 'lease_lost' && code !== 'internal';
}

function unnamed({ digest }: Descriptor): ImgctlError {
  return new ImgctlError('archive_unnamed', `the image ${digest} has no name`, {
    hint: 'Give it one with --tag REF.',
    context: { digest },
  });
}
