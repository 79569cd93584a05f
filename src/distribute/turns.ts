import type { Digest } from '../image/digest.ts';

/** Which layers may go out: those of some images at a time, in the order of the images, as a kubelet pulls them. */
export class Turns {
  readonly #atOnce: number;
  readonly #left: (readonly Digest[])[];
  readonly #held: Set<Digest>;
  #under: (readonly Digest[])[] = [];

  /** `images`: the layers of each. */
  constructor(images: readonly (readonly Digest[])[], atOnce: number) {
    this.#left = [...images];
    this.#held = new Set(images.flat());
    this.#atOnce = atOnce;
  }

  /** Whether its turn has not come. */
  holds(digest: Digest): boolean {
    return this.#held.has(digest);
  }

  /** Layers whose turn has come now. An image's turn is over when nobody waits for any of its layers. */
  next(isAwaited: (digest: Digest) => boolean): readonly Digest[] {
    const come: Digest[] = [];
    this.#under = this.#under.filter((layers) => layers.some(isAwaited));
    while (this.#under.length < this.#atOnce) {
      const image = this.#left.shift();
      if (image === undefined) break;
      for (const digest of image) if (this.#held.delete(digest)) come.push(digest);
      if (image.some(isAwaited)) this.#under.push(image);
    }
    return come;
  }
}
