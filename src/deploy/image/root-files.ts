import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sharedLibraries } from './shared-libraries.ts';

/** One entry of the image's root directory. Paths are absolute. */
export type RootEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly from: string; readonly size: number };

export const programPath = '/usr/local/bin/imgctl';

/**
 * The executable, the libraries that it needs at the paths that the loader knows them by, a directory for temporary
 * files, and nothing else: no shell, no package manager. Parents come before what is in them.
 */
export async function rootFiles(executable: string, signal?: AbortSignal): Promise<readonly RootEntry[]> {
  const sources = new Map([[programPath, executable]]);
  for (const path of await sharedLibraries(executable, signal)) sources.set(path, path);
  const directories = new Set(['/tmp']);
  for (const path of sources.keys())
    for (let parent = dirname(path); parent !== '/'; parent = dirname(parent)) directories.add(parent);
  const files = await Promise.all(
    // Of a link, the size of what it leads to: the image holds that, under the link's name
    [...sources].map(async ([path, from]) => ({
      kind: 'file' as const,
      path,
      from,
      size: (await stat(from)).size,
    })),
  );
  const made = [...directories].map((path) => ({
    kind: 'directory' as const,
    path,
    mode: path === '/tmp' ? 0o1777 : 0o755,
  }));
  return [...made, ...files].sort((a, b) => (a.path < b.path ? -1 : 1));
}
