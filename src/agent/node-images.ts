import type { NodeImage } from '../agent-api/schemas.ts';
import { hasCode } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, isDigest } from '../image/digest.ts';
import { resolveGraph } from '../image/graph.ts';
import { formatPlatform } from '../image/platform.ts';
import { readDocument } from '../image/read-document.ts';
import { isReference, parseReference } from '../image/reference.ts';
import type { Store, StoredImage } from '../store/store.ts';
import { Limiter } from '../streams/limiter.ts';

/** What a node has, as people think of it: a name each, with what it is made of. */

const pinnedLabel = 'io.cri-containerd.pinned';

type Contents = Pick<NodeImage, 'size' | 'platforms'>;

/** Images by name. Names that only repeat another are left out: `repository@digest` beside a tag, the CRI's image IDs. */
export async function listNodeImages(store: Store, signal?: AbortSignal): Promise<readonly NodeImage[]> {
  const stored = withoutEchoes(await store.listImages(signal));
  const limiter = new Limiter(8);
  const contents = new Map<Digest, Promise<Contents>>();
  const contentsOf = (target: Descriptor) => {
    const known = contents.get(target.digest);
    if (known !== undefined) return known;
    const reading = limiter.run(() => readContents(store, target, signal), signal);
    contents.set(target.digest, reading);
    return reading;
  };
  return Promise.all(
    stored
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(async ({ name, target, labels, createdAt }) => ({
        name,
        digest: target.digest,
        mediaType: target.mediaType,
        targetSize: target.size,
        pinned: labels[pinnedLabel] === 'pinned',
        ...(createdAt === undefined ? {} : { createdAt: createdAt.toISOString() }),
        ...(await contentsOf(target)),
      })),
  );
}

function withoutEchoes(images: readonly StoredImage[]): StoredImage[] {
  const parsed = images
    .filter(({ name }) => isReference(name) && !isDigest(name))
    .map((image) => ({ image, reference: parseReference(image.name) }));
  const tagged = new Set(
    parsed
      .filter(({ reference }) => reference.tag !== undefined)
      .map(({ image, reference }) => `${reference.registry}/${reference.repository}@${image.target.digest}`),
  );
  return parsed.filter(({ image }) => !tagged.has(image.name)).map(({ image }) => image);
}

async function readContents(store: Store, target: Descriptor, signal?: AbortSignal): Promise<Contents> {
  const source = {
    sizeOf: () => undefined,
    read: (digest: Digest, offset: number, stop?: AbortSignal) => store.read(digest, { offset }, stop),
  };
  try {
    const graph = await resolveGraph(target, { kind: 'all' }, async (descriptor) => {
      try {
        return await readDocument(source, descriptor, signal);
      } catch (error) {
        if (hasCode(error, 'blob_unknown')) return undefined;
        throw error;
      }
    });
    if (graph.manifests.length === 0) return {};
    const sizes = await store.sizesOf(
      graph.blobs.map(({ digest }) => digest),
      signal,
    );
    const platforms = graph.manifests.flatMap(({ platform }) => (platform ? [formatPlatform(platform)] : []));
    return {
      size: [...sizes.values()].reduce((sum, size) => sum + size, 0),
      platforms: [...new Set(platforms)],
    };
  } catch (error) {
    // A damaged image is still listed: who wants it gone must see it
    if (hasCode(error, 'store_unreachable') || signal?.aborted) throw error;
    return {};
  }
}
