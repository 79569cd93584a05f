import { digestReference, isReference, parseReference } from '../../image/reference.ts';
import type { GivenImage } from './remembered.ts';

/** A file that gives an image of some name. */
export interface Giver {
  readonly path: string;
  readonly image: GivenImage;
  /** When it came into the directory, in nanoseconds. */
  readonly came: bigint;
}

/** Of files that came at the same moment the names decide. */
export function comesLater(one: Pick<Giver, 'path' | 'came'>, other: Pick<Giver, 'path' | 'came'>): boolean {
  return one.came === other.came ? one.path > other.path : one.came > other.came;
}

/** The names under which the store has an image of the directory. */
export function namesOf({ name, target }: GivenImage): readonly string[] {
  return isReference(name) ? [name, digestReference(parseReference(name), target.digest)] : [name];
}

/**
 * Which files give an image of a name. It is asked for every file that is taken, and ten thousand may give the same: no
 * question but that for all givers takes longer the more there are.
 */
export class Givers {
  /** Paths by both names of what they give. */
  readonly #paths = new Map<string, Set<string>>();
  /** Those that count for a name, the one that came last at the end. */
  readonly #counting = new Map<string, { readonly givers: Giver[]; readonly digests: Map<string, number> }>();

  /** `came`: when the file came, where it counts for its names. */
  add(path: string, images: readonly GivenImage[], came: bigint | undefined): void {
    for (const name of images.flatMap(namesOf))
      this.#paths.set(name, (this.#paths.get(name) ?? new Set()).add(path));
    if (came === undefined) return;
    for (const image of eachNameOnce(images)) {
      const known = this.#counting.get(image.name) ?? { givers: [], digests: new Map() };
      this.#counting.set(image.name, known);
      const giver = { path, image, came };
      known.givers.splice(placeOf(giver, known.givers), 0, giver);
      const { digest } = image.target;
      known.digests.set(digest, (known.digests.get(digest) ?? 0) + 1);
    }
  }

  /** With what it was added with. */
  remove(path: string, images: readonly GivenImage[], came: bigint | undefined): void {
    for (const name of images.flatMap(namesOf)) {
      const paths = this.#paths.get(name);
      paths?.delete(path);
      if (paths?.size === 0) this.#paths.delete(name);
    }
    if (came === undefined) return;
    for (const { name, target } of eachNameOnce(images)) {
      const known = this.#counting.get(name);
      if (known === undefined) continue;
      known.givers.splice(placeOf({ path, came }, known.givers), 1);
      const left = (known.digests.get(target.digest) ?? 0) - 1;
      if (left > 0) known.digests.set(target.digest, left);
      else known.digests.delete(target.digest);
      if (known.givers.length === 0) this.#counting.delete(name);
    }
  }

  /** Whether another file than `path` gives an image that the store has under this name, whenever it came. */
  isGivenBeside(path: string, name: string): boolean {
    const paths = this.#paths.get(name);
    return paths !== undefined && paths.size > (paths.has(path) ? 1 : 0);
  }

  /** Those files. */
  pathsBeside(path: string, name: string): readonly string[] {
    return [...(this.#paths.get(name) ?? [])].filter((other) => other !== path);
  }

  /** The one that came last, but for `path`. */
  last(name: string, path?: string): Giver | undefined {
    return this.#counting.get(name)?.givers.findLast((giver) => giver.path !== path);
  }

  /** Whether files give different images under this name. */
  differ(name: string): boolean {
    return (this.#counting.get(name)?.digests.size ?? 0) > 1;
  }

  /** As of now. */
  all(name: string): readonly Giver[] {
    return [...(this.#counting.get(name)?.givers ?? [])];
  }
}

/** Of several images that one file gives under a name the last counts. */
function eachNameOnce(images: readonly GivenImage[]): Iterable<GivenImage> {
  return new Map(images.map((image) => [image.name, image])).values();
}

/** Of the first that comes not before it. */
function placeOf(giver: Pick<Giver, 'path' | 'came'>, givers: readonly Giver[]): number {
  let [from, to] = [0, givers.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const other = givers[middle];
    if (other !== undefined && comesLater(giver, other)) from = middle + 1;
    else to = middle;
  }
  return from;
}
