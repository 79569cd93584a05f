import { join } from 'node:path';
import { systemConfigDir } from '../../trust/default-files.ts';

/** System directories lie below the root that was given; those of a user do not. */
export function below(root: string, directory: string): string {
  return directory === systemConfigDir || directory === '/var/lib/imgctl' ? join(root, directory) : directory;
}
