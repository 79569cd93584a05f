import type { Declaration, ImageStatus } from '../agent-api/schemas.ts';
import { distribute } from '../distribute/fan-out.ts';
import type { FanOutOptions } from '../distribute/fan-out-options.ts';
import type { ImgctlError } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import type { ImportOptions } from '../transfer/import.ts';
import { createLocalNode } from '../transfer/local-node.ts';

/** A store that does nothing for so long is given up. Milliseconds. */
const stallTimeoutMs = 300_000;

export interface ImportedImages {
  readonly images: readonly ImageStatus[];
  /** Why images failed that do not say so themselves: something was wrong with the source, or the store. */
  readonly error?: ImgctlError | undefined;
}

/**
 * Images of any source into this node's own store, only what it lacks. Answers what became of each.
 * @throws ImgctlError those of reading the source, and of importing where it did not come as far as the images
 */
export async function importSource(
  source: ImageSource & { waitedAt?(): number },
  rules: Omit<Declaration, 'images' | 'documents'>,
  { store, owner, writers, labels, concurrency }: ImportOptions & Pick<FanOutOptions, 'concurrency'>,
  signal: AbortSignal,
): Promise<ImportedImages> {
  const local = createLocalNode(store, { name: owner, owner, version: '', writers, labels });
  // A store that waits for a registry has not stalled
  const node = { ...local, ...(source.waitedAt && { waitedAt: () => source.waitedAt?.() ?? 0 }) };
  const [outcome] = await distribute({
    nodes: [{ name: owner, address: '', node }],
    source,
    declaration: rules,
    concurrency,
    retries: 0,
    stallTimeoutMs,
    strict: false,
    signal,
    onEvent: () => {},
  });
  signal.throwIfAborted();
  const { images = [], error } = outcome ?? {};
  if (error !== undefined && images.length === 0) throw error;
  const isUntold = images.some((image) => image.state !== 'ready' && image.error === undefined);
  return { images, error: isUntold ? error : undefined };
}
