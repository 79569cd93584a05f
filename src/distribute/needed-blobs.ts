import type { Declaration, ImageStatus, NodeInfo } from '../agent-api/schemas.ts';
import type { Digest } from '../image/digest.ts';
import { resolveGraph } from '../image/graph.ts';
import { parsePlatform } from '../image/platform.ts';
import { platformChoice } from '../transfer/import-rules.ts';

/** Which blobs nodes need of what is declared, found out once for all nodes that run the same platforms. */
export class NeededBlobs {
  readonly #declaration: Declaration;
  readonly #documents: ReadonlyMap<Digest, string>;
  readonly #known = new Map<string, Promise<ReadonlyMap<Digest, readonly Digest[]>>>();

  constructor(declaration: Declaration) {
    this.#declaration = declaration;
    this.#documents = new Map(
      declaration.documents?.map(({ descriptor, data }) => [descriptor.digest, data] as const),
    );
  }

  /** For the images that are not there already. What is not known of an image is not needed. */
  async of(
    { platforms }: Pick<NodeInfo, 'platforms'>,
    images: readonly ImageStatus[],
  ): Promise<ReadonlySet<Digest>> {
    const key = platforms.join(' ');
    const resolving = this.#known.get(key) ?? this.#resolve(platforms);
    this.#known.set(key, resolving);
    const blobs = await resolving;
    const changed = images.filter(({ unchanged }) => !unchanged);
    return new Set(changed.flatMap(({ digest }) => blobs.get(digest) ?? []));
  }

  /** The blobs of each image, by its target's digest. */
  async #resolve(platforms: readonly string[]): Promise<ReadonlyMap<Digest, readonly Digest[]>> {
    const choice = platformChoice(this.#declaration.platforms, platforms.map(parsePlatform));
    const blobs = new Map<Digest, readonly Digest[]>();
    for (const { target } of this.#declaration.images ?? []) {
      try {
        const graph = await resolveGraph(target, choice, async ({ digest }) => this.#document(digest));
        blobs.set(
          target.digest,
          graph.blobs.map(({ digest }) => digest),
        );
      } catch {
        // The node says why it cannot have this one
      }
    }
    return blobs;
  }

  #document(digest: Digest): Uint8Array | undefined {
    const data = this.#documents.get(digest);
    return data === undefined ? undefined : Buffer.from(data, 'base64');
  }
}
