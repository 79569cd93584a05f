import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeArchive } from './archive.ts';
import { type BenchmarkOptions, imageName, mebibyte, memoryRow, type Row } from './benchmark.ts';
import { startCluster } from './cluster.ts';
import { runImport } from './run-import.ts';

const nodes = 3;

/** Peak memory while archives of sizes far apart go through three nodes that relay, over links without a limit. */
export async function memory({ directory, quick, runs, log }: BenchmarkOptions): Promise<Row[]> {
  const sizes = quick ? [32, 64, 128] : [256, 1024, 4096];
  const commands: number[] = [];
  const agents: number[] = [];
  const rows: Row[] = [];
  for (const size of sizes) {
    const archive = join(directory, `memory-${size}.tar`);
    await writeArchive(archive, imageName, 8, size * mebibyte);
    const [command, agent]: [number[], number[]] = [[], []];
    for (let run = 0; run < runs; run += 1) {
      await using cluster = await startCluster({ directory, nodes });
      const took = await runImport(cluster, archive);
      command.push(took.peakBytes);
      agent.push(...cluster.agents.map((one) => one.peakBytes()));
      log(
        `memory, ${size} MiB: ${took.seconds.toFixed(1)} s, command ${mega(took.peakBytes)}, agents ${mega(Math.max(...agent))}`,
      );
    }
    await rm(archive);
    commands.push(Math.max(...command));
    agents.push(Math.max(...agent));
    rows.push(
      memoryRow(`${size} MiB: most memory of the command`, commands.at(-1) ?? 0, 150),
      memoryRow(`${size} MiB: most memory of an agent`, agents.at(-1) ?? 0, 200),
    );
  }
  return [...rows, flat('command', commands, sizes), flat('agent', agents, sizes)];
}

/** The largest archive against the smallest: what grew with the size would be 16 times as much. */
function flat(who: string, peaks: readonly number[], sizes: readonly number[]): Row {
  const [first = 1, last = 0] = [peaks[0], peaks.at(-1)];
  return {
    what: `${who}: ${sizes.at(-1)} MiB / ${sizes[0]} MiB`,
    value: last / first,
    limit: 1.2,
    note: `${mega(last)} / ${mega(first)}`,
  };
}

function mega(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
