import { join } from 'node:path';
import { writeArchive } from './archive.ts';
import { type BenchmarkOptions, imageName, mebibyte, percent, type Row, ratioRow } from './benchmark.ts';
import { startCluster } from './cluster.ts';
import { runImport } from './run-import.ts';
import { median } from './timed-process.ts';
import { warmUp } from './warm-up.ts';

const nodes = 8;

/** One of eight nodes has a tenth of the rate: how long the other seven take, against seven without it. */
export async function mixed({ directory, quick, runs, rateMbit, log }: BenchmarkOptions): Promise<Row[]> {
  const archive = join(directory, 'mixed.tar');
  await writeArchive(archive, imageName, quick ? 8 : 20, (quick ? 8 : 60) * mebibyte);
  const [beside, without]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run += 1) {
    for (const slow of [false, true]) {
      await using cluster = await startCluster({ directory, nodes, rateMbit });
      await warmUp(cluster, directory);
      // In the middle of whatever order there is
      const one = cluster.agents[3];
      if (slow) await one?.host.limit(rateMbit / 10);
      const quickOnes = cluster.agents.filter((agent) => agent !== one);
      const took = await runImport(cluster, archive, {
        agents: slow ? cluster.agents : quickOnes,
        // How long the slow one takes by itself is known
        enoughNodes: quickOnes.length,
      });
      const others = took.nodes.filter(({ node }) => node !== one?.name);
      const seconds = Math.max(...others.map(({ durationMs }) => durationMs)) / 1000;
      (slow ? beside : without).push(seconds);
      log(
        `mixed: seven ${slow ? 'beside a slow one' : 'alone'} in ${seconds.toFixed(2)} s, CPU ${percent(took.cpu)}`,
      );
    }
  }
  return [ratioRow('seven beside one at a tenth / without it', median(beside), median(without), 1.25)];
}
