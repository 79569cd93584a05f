import { isDigest } from '../image/digest.ts';
import type { SourceBase } from '../image/source.ts';

/** A delta bundle has what another has not: all documents of its images, and the layers that are new. */

const digestKey = 'dev.imgctl.bundle.base.digest';
const nameKey = 'dev.imgctl.bundle.base.name';

/** How the index of a delta bundle says what it builds upon. */
export function deltaAnnotations({ digest, name }: SourceBase): Record<string, string> {
  return { [digestKey]: digest, [nameKey]: name };
}

/** What an index says of a base; undefined where it says nothing. */
export function deltaBase(index: Uint8Array): SourceBase | undefined {
  const { annotations } = JSON.parse(Buffer.from(index).toString('utf8')) as { annotations?: unknown };
  if (typeof annotations !== 'object' || annotations === null) return undefined;
  const { [digestKey]: digest, [nameKey]: name } = annotations as Record<string, unknown>;
  if (!isDigest(digest)) return undefined;
  return { digest, name: typeof name === 'string' && name !== '' ? name.slice(0, 255) : digest };
}
