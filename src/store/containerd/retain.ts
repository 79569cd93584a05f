import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';
import type { RetainedChildren } from '../store.ts';
import { content } from './api/content.ts';
import { blobUnknown } from './content-errors.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { isNotFound } from './grpc/errors.ts';

/**
 * The labels by which garbage collection goes from an index or a manifest to what it consists of. They may name blobs
 * that are absent: platforms that were not imported, layers that are only kept unpacked.
 */
export function retentionLabels({
  manifests = [],
  config,
  layers = [],
}: RetainedChildren): Record<string, string> {
  const label = (name: string, { digest }: Descriptor) => [`containerd.io/gc.ref.content.${name}`, digest];
  return Object.fromEntries([
    ...manifests.map((manifest, i) => label(`m.${i}`, manifest)),
    ...(config === undefined ? [] : [label('config', config)]),
    ...layers.map((layer, i) => label(`l.${i}`, layer)),
  ]);
}

/**
 * Sets labels of a blob and leaves its others alone: a mask without the keys would drop them, gc references among them.
 * @throws ImgctlError `blob_unknown`
 */
export async function setBlobLabels(
  connection: Connection,
  digest: Digest,
  labels: Readonly<Record<string, string>>,
  options: CallOptions = {},
): Promise<void> {
  const paths = Object.keys(labels).map((key) => `labels.${key}`);
  if (paths.length === 0) return;
  try {
    await connection.unary(content.update, { info: { digest, labels }, updateMask: { paths } }, options);
  } catch (error) {
    if (isNotFound(error)) throw blobUnknown(digest, error);
    throw error;
  }
}
