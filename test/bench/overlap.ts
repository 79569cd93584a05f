import { join } from 'node:path';
import { type Generation, startContainerd } from '../support/containerd/daemon.ts';
import { writeImages } from './archive.ts';
import { type BenchmarkOptions, imageName, mebibyte, type Row, ratioRow } from './benchmark.ts';
import { startCluster } from './cluster.ts';
import { makeLayer } from './layers.ts';
import { runImport } from './run-import.ts';
import { median } from './timed-process.ts';
import { empty } from './ways.ts';

/**
 * Unpacking while later layers arrive: 16 equal layers of many files over a link that takes as long to receive them as
 * containerd to unpack them. Receiving alone is an import without unpacking; unpacking alone, another import of what
 * is there by then.
 */
export async function overlap(options: BenchmarkOptions): Promise<Row[]> {
  const { directory, quick, generations } = options;
  const archive = join(directory, 'overlap.tar');
  const layers = Array.from({ length: 16 }, () => makeLayer((quick ? 4 : 16) * mebibyte, quick ? 250 : 2000));
  await writeImages(archive, [{ name: imageName, layers }]);
  const bits = layers.reduce((sum, { size }) => sum + size * 8, 0);
  const rows: Row[] = [];
  for (const generation of generations)
    rows.push(...(await oneGeneration(generation, archive, bits, options)));
  return rows;
}

interface Measured {
  readonly receiving: number;
  readonly unpacking: number;
  readonly together: number;
  /** While receiving alone. */
  readonly cpu: number;
}

async function oneGeneration(
  generation: Generation,
  archive: string,
  bits: number,
  { directory, runs, log }: BenchmarkOptions,
): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const daemon = await startContainerd(generation);
  stack.defer(() => daemon.stop());
  const stores = [`containerd:${daemon.socket}`];
  const cluster = stack.use(await startCluster({ directory, nodes: 1, stores }));
  await runImport(cluster, archive, { args: ['--no-unpack'] });
  const { seconds } = await runImport(cluster, archive);
  await empty(daemon);
  const rateMbit = Math.max(10, Math.round(bits / seconds / 1e6 / 0.95));
  await cluster.operator.limit(rateMbit);
  const measured: Measured[] = [];
  for (let run = 0; run < runs; run += 1) {
    const received = await runImport(cluster, archive, { args: ['--no-unpack'] });
    const unpacked = await runImport(cluster, archive);
    await empty(daemon);
    const both = await runImport(cluster, archive);
    await empty(daemon);
    measured.push({
      receiving: received.seconds,
      unpacking: unpacked.seconds,
      together: both.seconds,
      cpu: received.cpu,
    });
    log(
      `${generation.name} overlap at ${rateMbit} Mbit/s: receiving ${received.seconds.toFixed(2)} s, unpacking ${unpacked.seconds.toFixed(2)} s, both ${both.seconds.toFixed(2)} s`,
    );
  }
  const of = (value: (run: Measured) => number) => median(measured.map(value));
  const [receiving, unpacking] = [of((run) => run.receiving), of((run) => run.unpacking)];
  const what = `containerd ${generation.name}: `;
  return [
    ratioRow(
      `${what}received and unpacked / the longer alone`,
      of(({ together }) => together),
      Math.max(receiving, unpacking),
      1.15,
      `receiving ${receiving.toFixed(2)} s at ${rateMbit} Mbit/s, unpacking ${unpacking.toFixed(2)} s`,
    ),
    {
      what: `${what}processors busy while receiving`,
      value: of(({ cpu }) => cpu) * 100,
      unit: '%',
      limit: 70,
    },
  ];
}
