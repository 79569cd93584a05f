import { listNames } from '../errors/nearest.ts';
import { hasCode, ImgctlError } from '../errors.ts';
import { bareDescriptor, type Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import { resolveGraph } from '../image/graph.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import { platformHint } from '../image/platform-hint.ts';

/** What the documents of all images of a run may take, in bytes: some 10 KiB is usual for one. */
const maxTotalBytes = 64 * 1024 * 1024;

type Fetch = (descriptor: Descriptor) => Promise<Uint8Array>;

/** The indexes, manifests and configs that were fetched, and the walk that finds out which are needed. */
export class ImageDocuments {
  readonly #bytes = new Map<Digest, Uint8Array>();
  readonly #descriptors = new Map<Digest, Descriptor>();
  #total = 0;

  get(digest: Digest): Uint8Array | undefined {
    return this.#bytes.get(digest);
  }

  /** All that there are. */
  get all(): { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[] {
    return [...this.#descriptors.values()].map((descriptor) => ({
      descriptor: bareDescriptor(descriptor),
      bytes: this.#bytes.get(descriptor.digest) ?? new Uint8Array(),
    }));
  }

  /** @throws ImgctlError `document_too_large` */
  put(descriptor: Descriptor, bytes: Uint8Array): void {
    const { digest } = descriptor;
    if (this.#bytes.has(digest)) return;
    this.#total += bytes.byteLength;
    if (this.#total > maxTotalBytes) {
      throw new ImgctlError(
        'document_too_large',
        `the documents of these images have more than ${maxTotalBytes} bytes`,
        {
          hint: 'Pull fewer images at once.',
        },
      );
    }
    this.#bytes.set(digest, bytes);
    this.#descriptors.set(digest, descriptor);
  }

  /**
   * Fetches what these platforms need of an image, and nothing of the others. Answers its blobs that are no documents.
   * A platform that the image does not have is left to those who want it.
   * @throws ImgctlError `image_cycle`, `document_invalid`, `platform_missing` where it has none of them
   */
  async collect(
    target: Descriptor,
    choices: readonly PlatformChoice[],
    fetch: Fetch,
  ): Promise<readonly Descriptor[]> {
    const blobs = new Map<Digest, Descriptor>();
    let lacking: ImgctlError | undefined;
    let some = false;
    for (const choice of choices) {
      try {
        for (const blob of await this.#walk(target, choice, fetch)) blobs.set(blob.digest, blob);
        some = true;
      } catch (error) {
        if (!hasCode(error, 'platform_missing')) throw error;
        lacking = error;
      }
    }
    if (!some && lacking !== undefined) throw lackingThere(lacking);
    return [...blobs.values()].filter(({ digest }) => !this.#bytes.has(digest));
  }

  /** As a node does it: what the graph says is unread is fetched, and then the graph says more. */
  async #walk(target: Descriptor, choice: PlatformChoice, fetch: Fetch): Promise<readonly Descriptor[]> {
    // What another choice has brought must not be preferred
    const seen = new Set([target.digest]);
    for (;;) {
      const graph = await resolveGraph(target, choice, async (descriptor) => {
        if (choice.kind === 'all') await this.#tryToHave(descriptor, fetch);
        else if (!seen.has(descriptor.digest)) return undefined;
        return this.#bytes.get(descriptor.digest);
      });
      if (graph.unread.length === 0) return graph.blobs;
      for (const descriptor of graph.unread) {
        seen.add(descriptor.digest);
        await this.#have(descriptor, fetch);
      }
    }
  }

  async #have(descriptor: Descriptor, fetch: Fetch): Promise<void> {
    const { digest, size } = descriptor;
    const bytes = this.#bytes.get(digest) ?? (await fetch(descriptor));
    if (bytes.byteLength !== size) {
      throw new ImgctlError(
        'size_mismatch',
        `${digest} has ${bytes.byteLength} bytes, its index says ${size}`,
        {
          hint: 'The image was made by a broken tool: build it again.',
          context: { digest },
        },
      );
    }
    this.put(descriptor, bytes);
  }

  /** Of an index some platforms may never have been copied to this registry. */
  async #tryToHave(descriptor: Descriptor, fetch: Fetch): Promise<void> {
    try {
      await this.#have(descriptor, fetch);
    } catch (error) {
      if (!hasCode(error, 'image_unknown')) throw error;
    }
  }
}

/** What an index lists is there, though nobody has read it. */
function lackingThere(error: ImgctlError): ImgctlError {
  const { wanted, listed, digest } = error.context;
  if (typeof wanted !== 'string' || !Array.isArray(listed)) return error;
  const has = listed.length === 0 ? 'no platform at all' : listNames(listed);
  return new ImgctlError('platform_missing', `the image has no ${wanted}; it has ${has}`, {
    hint: platformHint(wanted, listed, 'registry'),
    context: { ...(digest === undefined ? {} : { digest }), wanted, available: listed },
  });
}
