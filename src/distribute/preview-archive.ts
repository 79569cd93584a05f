import type { Declaration } from '../agent-api/schemas.ts';
import type { ClusterFacts } from '../discovery/discovery.ts';
import type { ImageSource } from '../image/source.ts';
import type { ArchiveNode } from './archive-node.ts';
import type { NodePreview } from './outcome.ts';
import { wholeImages } from './whole-images.ts';

interface PreviewArchiveOptions {
  readonly source: ImageSource;
  readonly declaration: Declaration;
  readonly cluster: ClusterFacts | undefined;
  readonly signal: AbortSignal;
}

/** What would be sent to a node that takes whole archives: everything, whatever is there. */
export async function previewArchive(
  archives: ArchiveNode,
  { source, declaration: { platforms }, cluster, signal }: PreviewArchiveOptions,
): Promise<Pick<NodePreview, 'images' | 'blobs' | 'bytes'>> {
  await archives.check(signal);
  const whole = await wholeImages(source, { platforms, nodePlatform: cluster?.platform, signal });
  const blobs = new Map(
    whole.flatMap(({ graph }) => graph.blobs.map(({ digest, size }) => [digest, size] as const)),
  );
  return {
    images: whole.flatMap(({ names, graph }) =>
      names.map((name) => ({ name, digest: graph.target.digest, state: 'declared' as const })),
    ),
    blobs: blobs.size,
    bytes: [...blobs.values()].reduce((sum, size) => sum + size, 0),
  };
}
