import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startContainerd } from '../support/containerd/daemon.ts';
import { writeImages } from './archive.ts';
import { type BenchmarkOptions, imageName, mebibyte, percent, type Row, ratioRow } from './benchmark.ts';
import { startCluster } from './cluster.ts';
import { type Layer, makeLayer } from './layers.ts';
import { plot } from './plot.ts';
import { predictedSeconds } from './predicted.ts';
import { type ImportRun, runImport } from './run-import.ts';
import { median } from './timed-process.ts';
import { uploadArchive } from './upload-archive.ts';
import { warmUp } from './warm-up.ts';

/**
 * Many nodes over links that are the limit: agents with the embedded store, and three with a containerd each. The
 * bound is S/B: payload bytes against the link's raw rate. Peers, over the same links in the same run: the whole
 * archive to one node after the other, as MicroK8s does, and to all at once. And what the simulator says of it.
 */
export async function fanOut(options: BenchmarkOptions): Promise<Row[]> {
  const { directory, quick, nodes: sizes, rateMbit, runs, log } = options;
  // Larger ones say the same and take longer
  const layers = Array.from({ length: 20 }, () => makeLayer(((quick ? 8 : 64) * mebibyte) / 20));
  const archive = join(directory, 'fan-out.tar');
  await writeImages(archive, [{ name: imageName, layers }]);
  const tiny = join(directory, 'tiny.tar');
  await writeImages(tiny, [{ name: `${imageName}-tiny`, layers: [makeLayer(1024)] }]);
  const lab: Lab = {
    ...options,
    layers,
    archive,
    bound: ((await stat(archive)).size * 8) / (rateMbit * 1e6),
  };
  const peers = await allPeers(lab, sizes);
  const points: Point[] = [];
  for (const nodes of sizes) {
    const measured: ImportRun[] = [];
    const moved: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      await using cluster = await startCluster({ directory, nodes, rateMbit });
      await warmUp(cluster, directory);
      const took = await runImport(cluster, archive);
      measured.push(took);
      // What is not the plan's: to start, to ask nodes, to hear that they have all
      moved.push(took.seconds - (await runImport(cluster, tiny)).seconds);
      log(`${nodes} nodes: ${took.seconds.toFixed(2)} s (S/B ${lab.bound.toFixed(2)} s)`);
    }
    points.push({ nodes, measured, moved: median(moved), ...(peers[points.length] ?? noPeers) });
  }
  if (options.plot !== undefined) await writeFile(options.plot, plotOf(points, lab));
  return [...rowsOf(points, lab), ...(await withContainerd(lab))];
}

const noPeers = { oneByOne: Number.NaN, atOnce: Number.NaN };

interface Lab extends BenchmarkOptions {
  readonly archive: string;
  readonly layers: readonly Layer[];
  /** S/B, in seconds. */
  readonly bound: number;
}

interface Point {
  readonly nodes: number;
  readonly measured: readonly ImportRun[];
  /** Seconds, without those that an import of next to nothing takes: what the simulator predicts. */
  readonly moved: number;
  /** Seconds. */
  readonly oneByOne: number;
  readonly atOnce: number;
}

/** All at the same time, over networks of their own: none takes more than an uplink's worth of the processors. */
function allPeers(lab: Lab, sizes: readonly number[]) {
  return Promise.all(
    sizes.map(async (nodes) => {
      const [oneByOne = 0, atOnce = 0] = await Promise.all(
        [1, nodes].map((together) => uploadSeconds(lab, nodes, together)),
      );
      return { oneByOne, atOnce };
    }),
  );
}

async function uploadSeconds(
  { directory, rateMbit, archive, peerRuns, log }: Lab,
  nodes: number,
  atOnce: number,
) {
  const seconds: number[] = [];
  for (let run = 0; run < peerRuns; run += 1) {
    await using cluster = await startCluster({ directory, nodes, rateMbit });
    seconds.push(await uploadArchive(cluster, archive, atOnce));
    log(`${nodes} nodes by curl, ${atOnce} at a time: ${seconds.at(-1)?.toFixed(2)} s`);
  }
  return median(seconds);
}

function secondsOf(measured: readonly ImportRun[]): number {
  return median(measured.map(({ seconds }) => seconds));
}

function rowsOf(points: readonly Point[], { bound, layers, rateMbit }: Lab): Row[] {
  const rows: Row[] = [];
  for (const { nodes, measured, moved, oneByOne, atOnce } of points) {
    const seconds = secondsOf(measured);
    const busy = percent(median(measured.map(({ cpu }) => cpu)));
    const peers = `one by one ${oneByOne.toFixed(1)} s, at once ${atOnce.toFixed(1)} s`;
    const predicted = predictedSeconds({ nodes, layers, rateMbit });
    const difference = Math.abs(predicted - moved) / moved;
    rows.push(
      ratioRow(`${nodes} nodes: T / (S/B)`, seconds, bound, 1.1, `${peers}, CPU ${busy}`),
      ratioRow(`${nodes} nodes: T / one by one`, seconds, oneByOne),
      ratioRow(`${nodes} nodes: T / all at once`, seconds, atOnce),
      {
        what: `${nodes} nodes: simulator off by`,
        value: difference * 100,
        unit: '%',
        limit: 10,
        note: `predicted ${predicted.toFixed(2)} s, measured ${moved.toFixed(2)} s beyond an import of 1 KiB`,
      },
    );
  }
  const [one, sixteen] = [1, 16].map((wanted) => points.find(({ nodes }) => nodes === wanted));
  if (one !== undefined && sixteen !== undefined)
    rows.push(ratioRow('T(16) / T(1)', secondsOf(sixteen.measured), secondsOf(one.measured), 1.05));
  return rows;
}

/** A node for each generation of containerd, three at least. */
async function withContainerd({ directory, generations, rateMbit, runs, archive, bound, log }: Lab) {
  if (generations.length === 0) return [];
  const wanted = Array.from({ length: Math.max(3, generations.length) }, (_, i) => i % generations.length);
  const measured: ImportRun[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using stack = new AsyncDisposableStack();
    const stores: string[] = [];
    for (const i of wanted) {
      const generation = generations[i];
      if (generation === undefined) continue;
      const daemon = await startContainerd(generation);
      stack.defer(() => daemon.stop());
      stores.push(`containerd:${daemon.socket}`);
    }
    const cluster = stack.use(await startCluster({ directory, nodes: stores.length, rateMbit, stores }));
    await warmUp(cluster, directory);
    measured.push(await runImport(cluster, archive));
    log(`${stores.length} nodes with containerd: ${measured.at(-1)?.seconds.toFixed(2)} s`);
  }
  const names = wanted.map((i) => generations[i]?.name).join(', ');
  const busy = percent(median(measured.map(({ cpu }) => cpu)));
  const what = `${wanted.length} nodes with containerd (${names}), unpacked: T / (S/B)`;
  return [ratioRow(what, secondsOf(measured), bound, 1.1, `CPU ${busy}`)];
}

function plotOf(points: readonly Point[], { bound, rateMbit, layers }: Lab): string {
  const size = layers.reduce((sum, layer) => sum + layer.size, 0) / mebibyte;
  const line = (name: string, color: string, seconds: (point: Point) => number) => ({
    name,
    color,
    points: points.map((point): readonly [number, number] => [point.nodes, seconds(point)]),
  });
  return plot({
    title: `${size.toFixed(0)} MiB to N nodes over links of ${rateMbit} Mbit/s`,
    x: 'nodes',
    y: 'seconds',
    lines: [
      line('one by one', '#d97706', ({ oneByOne }) => oneByOne),
      line('all at once', '#a855f7', ({ atOnce }) => atOnce),
      line('imgctl', '#2f81f7', ({ measured }) => secondsOf(measured)),
      { ...line('S/B', '#757575', () => bound), dashed: true },
    ],
  });
}
