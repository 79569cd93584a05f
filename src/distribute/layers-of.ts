import type { Declaration } from '../agent-api/schemas.ts';
import type { Digest } from '../image/digest.ts';
import { parseDocument } from '../image/documents.ts';
import { isManifestType } from '../image/media-types.ts';

/** The layers that declared images are made of: what nodes may have to give to each other. Documents go with the declaration. */
export function layersOf({ documents = [] }: Pick<Declaration, 'documents'>): readonly Digest[] {
  const layers = new Set<Digest>();
  for (const { descriptor, data } of documents) {
    if (!isManifestType(descriptor.mediaType)) continue;
    const document = parseDocument(descriptor, Buffer.from(data, 'base64'));
    if (document.kind === 'manifest') for (const { digest } of document.layers) layers.add(digest);
  }
  return [...layers];
}
