import type { Digest } from '../image/digest.ts';
import { isDigest } from '../image/digest.ts';

/** What a delta bundle builds upon: the archive that has the layers which are not in it. */
export interface DeltaBase {
  /** Of the other's index.json. */
  readonly digest: Digest;
  /** What its file was called. */
  readonly name: string;
}

const digestKey = 'dev.imgctl.bundle.base.digest';
const nameKey = 'dev.imgctl.bundle.base.name';

/** What an index says of a base; undefined where it says nothing. */
export function deltaBase(index: Uint8Array): DeltaBase | undefined {
  const { annotations } = JSON.parse(Buffer.from(index).toString('utf8')) as { annotations?: unknown };
  if (typeof annotations !== 'object' || annotations === null) return undefined;
  const { [digestKey]: digest, [nameKey]: name } = annotations as Record<string, unknown>;
  if (!isDigest(digest)) return undefined;
  return { digest, name: typeof name === 'string' ? name.slice(0, 255) : digest };
}
