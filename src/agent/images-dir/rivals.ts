import { hasCode } from '../../errors.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import type { FoundFile } from './found-file.ts';
import { comesLater, type Giver } from './givers.ts';
import { claimHeld } from './held-images.ts';
import type { GivenImage, Remembered } from './remembered.ts';

/**
 * Files that give different images under one name. The one that came into the directory last counts, by its time of
 * change: whatever is read first, at once or again, after a restart as before it.
 */

export interface Rival extends Giver {
  readonly state: 'ready' | 'superseded';
}

/** Whether another file, which came later than this one, gives another image of that name. */
export function isSuperseded(
  { path, identity }: FoundFile,
  { name, target }: GivenImage,
  remembered: Remembered,
): boolean {
  const came = BigInt(identity.changedNs);
  const other = remembered.givers.last(name, path);
  return (
    other !== undefined && comesLater(other, { path, came }) && other.image.target.digest !== target.digest
  );
}

/** Gives each of these names to whom it belongs, after a file was imported; answers how each file stands. */
export async function settleNames(
  names: readonly string[],
  remembered: Remembered,
  imports: ImportOptions,
  signal: AbortSignal,
): Promise<readonly Rival[]> {
  const rivals: Rival[] = [];
  for (const name of names) {
    const target = remembered.givers.differ(name) ? remembered.givers.last(name)?.image.target : undefined;
    if (target === undefined) continue;
    const stored = await imports.store.getImage(name, signal);
    if (stored?.target.digest !== target.digest) await claim({ name, target }, imports, signal);
    for (const giver of remembered.givers.all(name)) {
      const state = giver.image.target.digest === target.digest ? 'ready' : 'superseded';
      rivals.push({ ...giver, state });
    }
  }
  return rivals;
}

/** What the store has lost comes back when its own file is looked at again. */
async function claim(image: GivenImage, imports: ImportOptions, signal: AbortSignal): Promise<void> {
  try {
    await claimHeld(image, imports, signal);
  } catch (error) {
    if (!hasCode(error, 'import_incomplete')) throw error;
  }
}
