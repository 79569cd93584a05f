import type { ImportNode } from '../agent-api/import-node.ts';
import { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { shortDigest } from '../image/digest.ts';
import { isManifestType } from '../image/media-types.ts';
import { collectDocuments } from '../transfer/collect-documents.ts';
import type { PeerSource } from './peer-source.ts';

interface LostOptions {
  readonly nodes: readonly { readonly name: string; readonly node: ImportNode }[];
  readonly platforms?: readonly string[] | undefined;
  /** A node that says nothing for so long is not waited for. Milliseconds. */
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/**
 * Leaves out the images of which a node lacks a layer that no node holds any more: unpacked, with
 * `discard_unpacked_layers`, containerd keeps none. The other images can still be brought.
 */
export async function withoutLost(
  source: PeerSource,
  { nodes, platforms, withinMs, signal }: LostOptions,
): Promise<{ readonly source: PeerSource; readonly lost: readonly ImgctlError[] }> {
  const documents = await collectDocuments(source, { onlyWhole: false, signal });
  const images = source.images.map(({ name, target }) => ({ name, target }));
  const declaration = {
    images,
    documents,
    ...(platforms === undefined ? {} : { platforms: [...platforms] }),
  };
  const wanted = new Map<Digest, string>();
  await Promise.all(
    nodes.map(async ({ name, node }) => {
      try {
        const { missing } = await node.previewImport(
          declaration,
          AbortSignal.any([signal, AbortSignal.timeout(withinMs)]),
        );
        for (const { digest, mediaType } of missing)
          if (
            !isManifestType(mediaType) &&
            source.sizeOf(digest) === undefined &&
            source.heldByNodes?.(digest) !== true
          )
            wanted.set(digest, name);
      } catch {
        // Its outcome will tell
        signal.throwIfAborted();
      }
    }),
  );
  const targets = new Set<Digest>();
  const lost = source.images.flatMap(({ name = '', target }) => {
    const layers = source.layersOf(target.digest);
    const digest = [...wanted.keys()].find((digest) => layers.has(digest));
    if (digest === undefined) return [];
    targets.add(target.digest);
    const node = wanted.get(digest) ?? '';
    return [
      new ImgctlError(
        'blob_unknown',
        `no node holds the layer ${shortDigest(digest)} of ${name} any more, and ${node} lacks it`,
        {
          hint: 'Where containerd discards layers once they are unpacked (discard_unpacked_layers), import the image from an archive.',
          context: { image: name, digest, node },
        },
      ),
    ];
  });
  return { source: targets.size === 0 ? source : source.without(targets), lost };
}
