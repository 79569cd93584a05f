import type { Declaration } from '../agent-api/schemas.ts';
import { ImgctlError } from '../errors.ts';
import type { Claim, Holdings, Store } from '../store/store.ts';
import { DeclaredImages } from './declared-images.ts';
import type { ImportOptions } from './import.ts';
import { ImportContent } from './import-content.ts';
import { importRules } from './import-rules.ts';

/**
 * Whether the store has every one of these images as the declaration asks for it: whole, unpacked, named, labelled. It looks
 * and keeps nothing: a lease, and each thing under it, would be a write that the store flushes to its disk.
 * @throws ImgctlError as `Import.preview`
 */
export async function areAllThere(
  options: Pick<ImportOptions, 'store' | 'labels' | 'signal'>,
  declaration: Declaration,
): Promise<boolean> {
  const { store, signal } = options;
  const { rules, choice } = await importRules(options, declaration);
  const looking = {
    claim: (claim: Claim, stop?: AbortSignal) => look(store, claim, stop),
    write: () => Promise.reject(new ImgctlError('internal', 'whoever looks writes nothing')),
  };
  const images = new DeclaredImages(store, new ImportContent(store, looking), rules, choice);
  await images.add(declaration, signal);
  await images.findUnchanged(images.entries, signal);
  return images.entries.every(({ unchanged }) => unchanged);
}

async function look(
  store: Store,
  { blobs, chainIds = [] }: Claim,
  signal: AbortSignal | undefined,
): Promise<Holdings> {
  const digests = blobs.map(({ digest }) => digest);
  const [sizes, unpacked] = await Promise.all([
    store.sizesOf(digests, signal),
    store.unpackedOf?.(chainIds, signal) ?? new Set<never>(),
  ]);
  return { whole: new Set(sizes.keys()), partial: new Map(), unpacked };
}
