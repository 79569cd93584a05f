import type { Declaration } from '../agent-api/schemas.ts';
import type { Digest } from '../image/digest.ts';
import { parseDocument } from '../image/documents.ts';
import { isIndexType, isManifestType } from '../image/media-types.ts';

/** The layers that declared images are made of: what nodes may have to give to each other. Documents go with the declaration. */
export function layersOf(declaration: Pick<Declaration, 'documents'>): readonly Digest[] {
  const layers = new Set<Digest>();
  for (const document of parsed(declaration).values())
    if (document.kind === 'manifest') for (const { digest } of document.layers) layers.add(digest);
  return [...layers];
}

/** The same for each image, on whatever platforms its documents are there for. */
export function layersByImage(declaration: Declaration): readonly (readonly Digest[])[] {
  const documents = parsed(declaration);
  const below = (digest: Digest, seen: Set<Digest>): Digest[] => {
    if (seen.has(digest)) return [];
    seen.add(digest);
    const document = documents.get(digest);
    if (document?.kind === 'manifest') return document.layers.map((layer) => layer.digest);
    if (document?.kind !== 'index') return [];
    return document.manifests.flatMap((child) => below(child.digest, seen));
  };
  return (declaration.images ?? []).map(({ target }) => below(target.digest, new Set()));
}

function parsed({ documents = [] }: Pick<Declaration, 'documents'>) {
  return new Map(
    documents
      .filter(({ descriptor: { mediaType } }) => isManifestType(mediaType) || isIndexType(mediaType))
      .map(({ descriptor, data }) => [
        descriptor.digest,
        parseDocument(descriptor, Buffer.from(data, 'base64')),
      ]),
  );
}
