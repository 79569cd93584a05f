import { join } from 'node:path';
import { writeArchive } from './archive.ts';
import { mebibyte } from './benchmark.ts';
import type { Cluster } from './cluster.ts';
import { runImport } from './run-import.ts';

/**
 * A small import before what is measured: agents run for months, and what they do for the first time alone, load modules
 * and compile them, costs each a second of a processor that all of them share here.
 */
export async function warmUp(cluster: Cluster, directory: string): Promise<void> {
  const archive = join(directory, 'warm-up.tar');
  await writeArchive(archive, 'registry.example.com/bench/warm-up:1', 6, 3 * mebibyte);
  await runImport(cluster, archive);
}
