import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Snapshotter } from './config.ts';

/**
 * `overlayfs` where the folder's file system can hold its upper directory, else `native`.
 * Tried by mounting: an overlay on an overlay (tests inside a container) is refused only then.
 */
export function snapshotterFor(folder: string): Snapshotter {
  const trial = join(folder, 'overlay-trial');
  const part = (name: string) => join(trial, name);
  for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(part(name), { recursive: true });
  try {
    const options = `lowerdir=${part('lower')},upperdir=${part('upper')},workdir=${part('work')}`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, part('merged')], { stdio: 'ignore' });
    execFileSync('umount', [part('merged')], { stdio: 'ignore' });
    return 'overlayfs';
  } catch {
    return 'native';
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}
