import { ImgctlError } from '../errors.ts';
import { type Digest, digestOf } from '../image/digest.ts';
import type { ImageSource, SourceBase, SourceImage } from '../image/source.ts';
import type { Archive } from './archive.ts';
import { refuseConflicts } from './image-names.ts';

/**
 * Several archives as one source; a blob comes from whichever has it. Disposing of it disposes of them all.
 * @throws ImgctlError `archive_conflict` where two archives give one name to different images
 */
export function combineArchives(archives: readonly Archive[]): ImageSource {
  const images = new Map<string, SourceImage>();
  const bases = archives.filter((archive) => archives.some((other) => isUpon(other, archive)));
  const newer = new Set(archives.filter((archive) => !bases.includes(archive)).flatMap(namesOf));
  for (const archive of archives)
    for (const image of archive.images) {
      // What a delta bundle has under the same name is meant to take its place
      if (bases.includes(archive) && newer.has(image.name)) continue;
      images.set(`${image.name ?? ''} ${image.target.digest}`, image);
    }
  refuseConflicts([...images.values()], archives.map(({ label }) => label).join(' and '));
  return new CombinedArchives(archives, [...images.values()]);
}

/** Whether one is a delta bundle that builds upon the other. */
function isUpon({ base }: Archive, { index }: Archive): boolean {
  return base !== undefined && index !== undefined && base.digest === digestOf(index);
}

function namesOf({ images }: Archive): (string | undefined)[] {
  return images.flatMap(({ name }) => name ?? []);
}

class CombinedArchives implements ImageSource {
  readonly images: readonly SourceImage[];
  readonly base: SourceBase | undefined;
  readonly #archives: readonly Archive[];

  constructor(archives: readonly Archive[], images: readonly SourceImage[]) {
    this.#archives = archives;
    this.images = images;
    const alone = archives.filter((archive) => !archives.some((other) => isUpon(archive, other)));
    this.base = alone.find(({ base }) => base !== undefined)?.base;
  }

  sizeOf(digest: Digest): number | undefined {
    return this.#holderOf(digest)?.sizeOf(digest);
  }

  async unpackedSizeOf(digest: Digest): Promise<number | undefined> {
    return this.#holderOf(digest)?.unpackedSizeOf?.(digest);
  }

  read(digest: Digest, offset: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const holder = this.#holderOf(digest);
    if (holder !== undefined) return holder.read(digest, offset, signal);
    throw new ImgctlError('blob_unknown', `${digest} is in none of the archives`, {
      hint: 'Save the image again with all of its layers.',
      context: { digest },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#archives.map((archive) => archive[Symbol.asyncDispose]()));
  }

  #holderOf(digest: Digest): Archive | undefined {
    return this.#archives.find((archive) => archive.sizeOf(digest) !== undefined);
  }
}
