import { errorFromWire } from '../../agent-api/errors.ts';
import { parseReference } from '../../image/reference.ts';
import { openRegistryImages } from '../../registry/registry.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import { importSource } from '../import-source.ts';
import type { NodeRegistries } from './node-registries.ts';

/** Images that are pulled one after the other share what is known of their registries. */
const purpose = 'images directory';

/**
 * Brings an image of a registry into the store, for the platform that the node runs, where the store pulls nothing
 * itself. Only what the store lacks is read.
 * @throws ImgctlError why it did not: those of registries and of importing
 */
export async function pullIntoStore(
  name: string,
  { registries, imports }: { readonly registries: NodeRegistries; readonly imports: ImportOptions },
  signal: AbortSignal,
): Promise<void> {
  const { platforms } = await imports.store.info(signal);
  using borrowed = await registries.borrow(purpose);
  await using source = await openRegistryImages([parseReference(name)], borrowed.clients, {
    platforms: [{ kind: 'hosts', platforms }],
    signal,
  });
  const [failed] = source.failed;
  if (failed !== undefined) throw failed;
  const { images, error: whole } = await importSource(source, { pin: true }, imports, signal);
  for (const { error } of images) if (error !== undefined) throw errorFromWire(error);
  if (whole !== undefined) throw whole;
}
