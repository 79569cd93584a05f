import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeArchive } from './archive.ts';
import { type BenchmarkOptions, imageName, mebibyte, type Row, ratioRow } from './benchmark.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { type ImportRun, runImport } from './run-import.ts';
import { median } from './timed-process.ts';
import { warmUp } from './warm-up.ts';

const nodes = 8;

/** One of eight relays is killed when half of everything has arrived. */
export async function faults({ directory, quick, runs, rateMbit, log }: BenchmarkOptions): Promise<Row[]> {
  const archive = join(directory, 'faults.tar');
  await writeArchive(archive, imageName, quick ? 8 : 20, (quick ? 16 : 60) * mebibyte);
  const { size } = await stat(archive);
  const [calm, struck]: [Measured[], Measured[]] = [[], []];
  for (let run = 0; run < runs; run += 1) {
    for (const kills of [false, true]) {
      await using cluster = await startCluster({ directory, nodes, rateMbit });
      await warmUp(cluster, directory);
      const took = await oneImport(cluster, archive, kills);
      (kills ? struck : calm).push(took);
      log(
        `faults${kills ? ', one killed' : ''}: ${took.seconds.toFixed(2)} s, others ${took.othersSeconds.toFixed(2)} s`,
      );
    }
  }
  const of = (runs: readonly Measured[], value: (run: Measured) => number) => median(runs.map(value));
  const again = struck.map(({ othersReceived }, i) => othersReceived - (calm[i]?.othersReceived ?? 0));
  const others = ({ othersSeconds }: Measured) => othersSeconds;
  return [
    {
      what: 'others that did not complete, of 7 a run',
      value: struck.reduce((sum, { othersFailed }) => sum + othersFailed, 0),
      limit: 0,
    },
    {
      what: 'received again by the others / the archive',
      value: median(again) / size,
      limit: 0.1,
      note: `${(median(again) / mebibyte).toFixed(1)} MiB at their interfaces, of ${(size / mebibyte).toFixed(0)} MiB`,
    },
    {
      what: "sent again over the command's uplink / the archive",
      value: (of(struck, (run) => run.bytesSent) - of(calm, (run) => run.bytesSent)) / size,
      limit: 0.1,
    },
    ratioRow('the others / undisturbed', of(struck, others), of(calm, others), 1.5),
    ratioRow(
      'the whole command / undisturbed',
      of(struck, ({ seconds }) => seconds),
      of(calm, ({ seconds }) => seconds),
      1.5,
      'until the killed one is given up',
    ),
  ];
}

/** Of those that are not killed: what came in at their interfaces, and how long the last of them took. */
interface Measured extends ImportRun {
  readonly othersReceived: number;
  readonly othersSeconds: number;
  readonly othersFailed: number;
}

async function oneImport(cluster: Cluster, archive: string, kills: boolean): Promise<Measured> {
  const victim = cluster.agents[3];
  const others = cluster.agents.filter((agent) => agent !== victim);
  const received = async () => {
    const counts = await Promise.all(others.map(({ host }) => host.traffic()));
    return counts.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
  };
  const shares = new Map<string, number>();
  let killing: Promise<void> | undefined;
  const before = await received();
  const run = await runImport(cluster, archive, {
    someMayFail: kills,
    onProgress: ({ node, receivedBytes, missingBytes }) => {
      shares.set(node, receivedBytes / Math.max(1, missingBytes));
      const sum = shares.values().reduce((total, share) => total + share, 0);
      if (kills && sum >= nodes / 2) killing ??= victim?.kill();
    },
  });
  await killing;
  if (kills && killing === undefined) throw new Error('all was over before one could be killed');
  const results = run.nodes.filter(({ node }) => node !== victim?.name);
  return {
    ...run,
    othersReceived: (await received()) - before,
    othersSeconds: Math.max(...results.map(({ durationMs }) => durationMs)) / 1000,
    othersFailed: others.length - results.filter(({ status }) => status === 'imported').length,
  };
}
