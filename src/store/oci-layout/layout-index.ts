import { readFile } from 'node:fs/promises';
import { ImgctlError } from '../../errors.ts';
import { bareDescriptor, type Descriptor, descriptorSchema } from '../../image/descriptor.ts';
import { mediaTypes } from '../../image/media-types.ts';
import { formatReference, isReference, parseReference } from '../../image/reference.ts';
import type { ImageRecord, StoredImage } from '../store.ts';
import { replaceFile } from './durable-file.ts';
import type { LayoutPaths } from './layout-paths.ts';

const fullName = 'io.containerd.image.name';
/** skopeo and umoci find an image by this one, compared as a whole: the full name, since tags alone collide. */
const refName = 'org.opencontainers.image.ref.name';
const namedAt = 'dev.imgctl.named-at';
const pinned = 'io.cri-containerd.pinned';

type Entry = Record<string, unknown>;

/** index.json: what has a name here. Entries of other tools, and fields that we do not know, stay as they are. */
export class LayoutIndex {
  readonly #document: Record<string, unknown>;
  #entries: Entry[];

  private constructor(document: Record<string, unknown>) {
    this.#document = document;
    this.#entries = Array.isArray(document.manifests) ? document.manifests.filter(isObject) : [];
  }

  /** @throws ImgctlError `store_failed` where it is no index */
  static async load({ index, directory }: LayoutPaths): Promise<LayoutIndex> {
    const text = await readFile(index, 'utf8');
    try {
      const document: unknown = JSON.parse(text);
      if (isObject(document)) return new LayoutIndex(document);
    } catch {
      // Told below, as any other thing that is no index
    }
    throw new ImgctlError('store_failed', `${index} is not an OCI image index`, {
      hint: `Restore it, or move ${directory} away and start with an empty directory.`,
      context: { path: index },
    });
  }

  /** Under the layout's lock. */
  async save({ index, scratch }: LayoutPaths): Promise<void> {
    const document = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      ...this.#document,
      manifests: this.#entries,
    };
    await replaceFile(index, JSON.stringify(document), scratch);
  }

  images(): StoredImage[] {
    const images = new Map<string, StoredImage>();
    for (const entry of this.#entries) {
      const image = storedImage(entry);
      if (image !== undefined && !images.has(image.name)) images.set(image.name, image);
    }
    return [...images.values()];
  }

  find(name: string): StoredImage | undefined {
    return this.images().find((image) => image.name === name);
  }

  /** Everything that the index leads to, named or not. */
  roots(): Descriptor[] {
    return this.#entries.flatMap((entry) => descriptorSchema.safeParse(entry).data ?? []);
  }

  /** Gives the name to the target; answers what it named before. A pin stays unless the record says otherwise. */
  give({ name, target, pin, labels = {} }: ImageRecord, now: number): Descriptor | undefined {
    const before = this.find(name);
    const annotations: Record<string, string> = {
      ...before?.labels,
      [fullName]: name,
      [refName]: name,
      [namedAt]: (before?.createdAt ?? new Date(now)).toISOString(),
    };
    for (const [key, value] of Object.entries({ ...labels, ...pinLabel(pin) })) {
      if (value === undefined) delete annotations[key];
      else annotations[key] = value;
    }
    this.take(name);
    this.#entries.push({ ...bareDescriptor(target), annotations });
    return before?.target;
  }

  /** Takes the name away; answers what it named. */
  take(name: string): Descriptor | undefined {
    const before = this.find(name);
    this.#entries = this.#entries.filter((entry) => storedImage(entry)?.name !== name);
    return before?.target;
  }
}

function pinLabel(pin: boolean | undefined): Record<string, string | undefined> {
  return pin === undefined ? {} : { [pinned]: pin ? 'pinned' : undefined };
}

function storedImage(entry: Entry): StoredImage | undefined {
  const descriptor = descriptorSchema.safeParse(entry).data;
  const { [fullName]: full, [refName]: ref, [namedAt]: at, ...labels } = descriptor?.annotations ?? {};
  const name = full ?? wholeReference(ref);
  if (descriptor === undefined || name === undefined) return undefined;
  const createdAt = at === undefined ? undefined : new Date(at);
  return { name, target: bareDescriptor(descriptor), labels, createdAt };
}

/** A bare tag is no name; only a whole reference has one of these characters. */
function wholeReference(ref: string | undefined): string | undefined {
  if (ref === undefined || !/[:/@]/.test(ref) || !isReference(ref)) return undefined;
  return formatReference(parseReference(ref));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
