import { join } from 'node:path';
import { startAgent } from '../support/agent-process.ts';
import { type ContainerdDaemon, type Generation, startContainerd } from '../support/containerd/daemon.ts';
import { writeImages } from './archive.ts';
import { type BenchmarkOptions, type Row, ratioRow } from './benchmark.ts';
import { makeLayer } from './layers.ts';
import { median, type Timed } from './timed-process.ts';
import { byAgent, byCommand, byCtr, Measurements } from './ways.ts';

/** Many small images in one archive, as bundles for air-gapped sites have them, against `ctr images import`. */
export async function small(options: BenchmarkOptions): Promise<Row[]> {
  const { directory, quick, generations } = options;
  const archive = join(directory, 'small.tar');
  const images = Array.from({ length: quick ? 50 : 500 }, (_, i) => ({
    name: `registry.example.com/bench/small-${i}:1`,
    layers: Array.from({ length: 5 }, () => makeLayer(10 * 1024)),
  }));
  await writeImages(archive, images);
  const rows: Row[] = [];
  for (const generation of generations)
    rows.push(...(await oneGeneration(generation, archive, images.length, options)));
  return rows;
}

type Way = 'ctr' | 'imgctl' | 'ctr, unpacked' | 'imgctl, unpacked' | 'agent, unpacked';

async function oneGeneration(
  generation: Generation,
  archive: string,
  images: number,
  { runs, log }: BenchmarkOptions,
): Promise<Row[]> {
  const ways = new Measurements<Way>((line) => log(`${generation.name} small: ${line}`));
  const requests: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    // Each into a daemon of its own: with hundreds of images, taking them out again is no small thing
    const into = async (way: Way, work: (daemon: ContainerdDaemon) => Promise<Timed>) => {
      const daemon = await startContainerd(generation);
      await ways.measure(way, () => work(daemon)).finally(() => daemon.stop());
    };
    await into('ctr', (daemon) => byCtr(daemon, archive, '--no-unpack'));
    await into('imgctl', (daemon) => byCommand(daemon, archive, '--no-unpack'));
    await into('ctr, unpacked', (daemon) => byCtr(daemon, archive));
    await into('imgctl, unpacked', (daemon) => byCommand(daemon, archive));
    const daemon = await startContainerd(generation);
    const agent = await startAgent({ store: `containerd:${daemon.socket}` });
    try {
      const before = await requestsOf(agent.address);
      await ways.measure('agent, unpacked', () => byAgent(agent, archive));
      // The one that asks is counted too
      requests.push((await requestsOf(agent.address)) - before - 1);
    } finally {
      await agent.stop();
      await daemon.stop();
    }
  }
  const seconds = (way: Way) => median(ways.of(way).map(({ seconds }) => seconds));
  const ratio = (way: Way, to: Way) => {
    const [ours, theirs] = [seconds(way), seconds(to)];
    const each = `${((ours / images) * 1000).toFixed(1)} ms an image, ctr ${((theirs / images) * 1000).toFixed(1)} ms`;
    return ratioRow(
      `containerd ${generation.name}: ${images} images, ${way} / ${to}`,
      ours,
      theirs,
      undefined,
      each,
    );
  };
  return [
    ratio('imgctl', 'ctr'),
    ratio('imgctl, unpacked', 'ctr, unpacked'),
    ratio('agent, unpacked', 'ctr, unpacked'),
    {
      what: `containerd ${generation.name}: requests to the agent, an image`,
      value: median(requests) / images,
      note: `${median(requests)} for ${images} images of 5 layers`,
    },
  ];
}

/** All that the agent has answered, by its own count. */
async function requestsOf(address: string): Promise<number> {
  const answer = await fetch(`http://${address}/metrics`);
  const counts = (await answer.text()).matchAll(/^imgctl_http_request_duration_seconds_count\{.*\} (\d+)$/gm);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}
