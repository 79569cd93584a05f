import type { Declaration } from '../agent-api/schemas.ts';
import { bareDescriptor, type Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import { parseDocument } from '../image/documents.ts';
import { isImageConfigType, isIndexType, isManifestType } from '../image/media-types.ts';
import { readDocument } from '../image/read-document.ts';
import type { ImageSource } from '../image/source.ts';

type Documents = NonNullable<Declaration['documents']>;

export interface CollectOptions {
  /** Leave out manifests of which the source lacks something: with every platform asked for, they were not saved. */
  readonly onlyWhole: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The indexes, manifests and configs of a source's images, each once, to be declared with them: they are small, and
 * with them a node can tell at once everything that it lacks. What the source does not have is left out.
 * @throws ImgctlError `document_invalid`, `document_too_large`, `digest_mismatch`, and those of `BlobSource.read`
 */
export async function collectDocuments(
  source: ImageSource,
  { onlyWhole, signal }: CollectOptions,
): Promise<Documents> {
  const collected = new Map<Digest, Documents[number]>();
  const visit = async (descriptor: Descriptor): Promise<void> => {
    const { digest, mediaType } = descriptor;
    if (collected.has(digest) || source.sizeOf(digest) === undefined) return;
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) return;
    const bytes = await readDocument(source, descriptor, signal);
    const document = parseDocument(descriptor, bytes);
    if (document.kind === 'manifest') {
      const { config, layers } = document;
      if (
        onlyWhole &&
        source.base === undefined &&
        [config, ...layers].some((blob) => source.sizeOf(blob.digest) === undefined)
      )
        return;
      if (
        isImageConfigType(config.mediaType) &&
        !collected.has(config.digest) &&
        source.sizeOf(config.digest) !== undefined
      ) {
        collected.set(config.digest, encode(config, await readDocument(source, config, signal)));
      }
    }
    collected.set(digest, encode(descriptor, bytes));
    if (document.kind === 'index') for (const child of document.manifests) await visit(child);
  };
  for (const { target } of source.images) await visit(target);
  return [...collected.values()];
}

function encode(descriptor: Descriptor, bytes: Uint8Array): Documents[number] {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return { descriptor: bareDescriptor(descriptor), data };
}
