import { errorToWire } from '../agent-api/errors.ts';
import type { Declaration, ImageStatus } from '../agent-api/schemas.ts';
import { distribute } from '../distribute/fan-out.ts';
import type { FanOutOptions } from '../distribute/fan-out-options.ts';
import type { ImageSource } from '../image/source.ts';
import type { ImportOptions } from '../transfer/import.ts';
import { createLocalNode } from '../transfer/local-node.ts';

/** A store that does nothing for so long is given up. Milliseconds. */
const stallTimeoutMs = 300_000;

/**
 * Images of any source into this node's own store, only what it lacks. Answers what became of each.
 * @throws ImgctlError those of reading the source, and of importing where it did not come as far as the images
 */
export async function importSource(
  source: ImageSource & { waitedAt?(): number },
  rules: Omit<Declaration, 'images' | 'documents'>,
  { store, owner, writers, labels, concurrency }: ImportOptions & Pick<FanOutOptions, 'concurrency'>,
  signal: AbortSignal,
): Promise<readonly ImageStatus[]> {
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
  if (error === undefined) return images;
  if (images.length === 0) throw error;
  // What ended the import is why those failed that do not say so themselves
  const why = errorToWire(error);
  return images.map((image) =>
    image.state === 'ready' || image.error !== undefined ? image : { ...image, error: why },
  );
}
