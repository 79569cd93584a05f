import type { Declaration, MissingBlob } from '../agent-api/schemas.ts';
import { ImgctlError, printable } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { parseIndex } from '../image/documents.ts';
import { isIndexType, isManifestType } from '../image/media-types.ts';
import { formatPlatform } from '../image/platform.ts';
import { platformHint } from '../image/platform-hint.ts';
import type { BlobSource, SourceBase } from '../image/source.ts';

/**
 * Says what a node lacks and the source has not either: a platform that was not saved, or a part of an image.
 * @throws ImgctlError `platform_missing`, `archive_incomplete`
 */
export function mustHave(
  source: Pick<BlobSource, 'sizeOf' | 'heldByNodes' | 'base' | 'keptIn'>,
  missing: readonly MissingBlob[],
  documents: Declaration['documents'] = [],
): void {
  const absent = missing.filter(
    ({ digest }) => source.sizeOf(digest) === undefined && source.heldByNodes?.(digest) !== true,
  );
  const [first] = absent;
  if (first === undefined) return;
  if (isManifestType(first.mediaType)) throw platformAbsent(source, first, documents);
  if (source.base !== undefined) throw baseAbsent(source.base, first, absent.length);
  const more = absent.length > 1 ? ` and ${absent.length - 1} more` : '';
  throw new ImgctlError(
    'archive_incomplete',
    `the archive lacks ${first.digest}${more}, and so does the node`,
    {
      hint: 'Save the image again with every layer, for the platform of the node (--platform chooses another).',
      context: { digest: first.digest, mediaType: first.mediaType },
    },
  );
}

/** The node has not what the delta bundle was made upon, or has lost it. */
function baseAbsent({ name, digest }: SourceBase, missing: MissingBlob, count: number): ImgctlError {
  const blobs = count === 1 ? 'a blob' : `${count} blobs`;
  return new ImgctlError(
    'archive_incomplete',
    `this is a delta bundle upon ${printable(name)}, and the node lacks ${blobs} of that one: ${missing.digest}`,
    {
      hint: `Import ${printable(name)} first, or both in one command: imgctl images import BASE DELTA`,
      context: { digest: missing.digest, base: digest },
    },
  );
}

/** The node picked the entry of an index that suits it; the tool that saved the image left that one out. */
function platformAbsent(
  source: Pick<BlobSource, 'sizeOf' | 'heldByNodes' | 'keptIn'>,
  { digest }: MissingBlob,
  documents: NonNullable<Declaration['documents']>,
): ImgctlError {
  const entries = documents
    .filter(({ descriptor }) => isIndexType(descriptor.mediaType))
    .flatMap(({ descriptor, data }) => parseIndex(Buffer.from(data, 'base64'), descriptor).manifests);
  const wanted = platformOf(entries.find((entry) => entry.digest === digest)) ?? 'the platform of this node';
  const siblings = entries.filter((entry) => source.sizeOf(entry.digest) !== undefined);
  const available = [...new Set(siblings.flatMap((entry) => platformOf(entry) ?? []))];
  const has = available.length === 0 ? 'none that is known' : available.join(', ');
  const context = { digest, wanted, available };
  if (source.keptIn === 'registry')
    return new ImgctlError('platform_missing', `nothing was pulled for ${wanted}, but for ${has}`, {
      hint: 'Run the command again: it had not learned what the node runs.',
      context,
    });
  return new ImgctlError('platform_missing', `the archive was saved without ${wanted}; it has ${has}`, {
    hint: platformHint(wanted, available),
    context,
  });
}

function platformOf(entry: Descriptor | undefined): string | undefined {
  const { platform } = entry ?? {};
  return platform === undefined || platform.os === 'unknown' ? undefined : formatPlatform(platform);
}
