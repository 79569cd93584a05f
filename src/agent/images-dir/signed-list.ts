import { readSmallFile } from '../../streams/read-small-file.ts';
import type { FoundFile } from './found-file.ts';

/** The signature that stands beside a list, as minisign puts it there: `images.txt.minisig`. Undefined: there is none. */
export async function readListSignature({ at }: FoundFile): Promise<Uint8Array | undefined> {
  const beside = typeof at === 'string' ? `${at}.minisig` : Buffer.concat([at, Buffer.from('.minisig')]);
  try {
    return Buffer.from(await readSmallFile(beside));
  } catch {
    return undefined;
  }
}
