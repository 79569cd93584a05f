import type { Descriptor } from '../../image/descriptor.ts';
import { Limiter } from '../../streams/limiter.ts';
import { sourceLabels } from './blob-labels.ts';
import { blobInfo } from './content-info.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { setBlobLabels } from './retain.ts';

/** Adds a repository to what blobs say of where they can be had. Those that are not here are left out. */
export async function attribute(
  connection: Connection,
  blobs: readonly Descriptor[],
  { registry, repository }: { readonly registry: string; readonly repository: string },
  options: CallOptions = {},
): Promise<void> {
  const limiter = new Limiter(4);
  const key = `containerd.io/distribution.source.${registry}`;
  await Promise.all(
    blobs.map(({ digest }) =>
      limiter.run(async () => {
        const info = await blobInfo(connection, digest, options);
        const known = info?.labels[key]?.split(',') ?? [];
        if (info === undefined || known.includes(repository)) return;
        const repositories = [...known, repository].map((one) => ({ registry, repository: one }));
        await setBlobLabels(connection, digest, sourceLabels(repositories), options);
      }, options.signal),
    ),
  );
}
