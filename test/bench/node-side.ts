import { join } from 'node:path';
import { startAgent } from '../support/agent-process.ts';
import { type Generation, startContainerd } from '../support/containerd/daemon.ts';
import { writeArchive } from './archive.ts';
import { type BenchmarkOptions, imageName, mebibyte, memoryRow, type Row, ratioRow } from './benchmark.ts';
import { median, peakResidentBytes } from './timed-process.ts';
import { byAgent, byCommand, byCtr, empty, Measurements } from './ways.ts';

/** An archive into one node's containerd, with and without an agent, against `ctr images import` of that containerd. */
export async function nodeSide(options: BenchmarkOptions): Promise<Row[]> {
  const archive = join(options.directory, 'image.tar');
  await writeArchive(archive, imageName, 8, (options.quick ? 64 : options.mebibytes) * mebibyte);
  const rows: Row[] = [];
  for (const generation of options.generations)
    rows.push(...(await oneGeneration(generation, archive, options)));
  return rows;
}

/** Of the time that `ctr` takes without unpacking: later ones are slower, see containerd's transfer service. */
function limitFor({ name }: Generation): number {
  return Number.parseInt(name, 10) >= 2 ? 0.4 : 0.55;
}

type Way = 'ctr' | 'ctr, unpacked' | 'imgctl' | 'imgctl, unpacked' | 'agent' | 'again' | 'again, agent';

async function oneGeneration(generation: Generation, archive: string, { runs, log }: BenchmarkOptions) {
  await using stack = new AsyncDisposableStack();
  const daemon = await startContainerd(generation);
  stack.defer(() => daemon.stop());
  const agent = await startAgent({ store: `containerd:${daemon.socket}` });
  stack.defer(() => agent.stop());
  const ways = new Measurements<Way>((line) => log(`${generation.name} ${line}`));
  for (let run = 0; run < runs; run += 1) {
    await ways.measure('ctr', () => byCtr(daemon, archive, '--no-unpack'));
    await empty(daemon);
    await ways.measure('imgctl', () => byCommand(daemon, archive, '--no-unpack'));
    await empty(daemon);
    await ways.measure('ctr, unpacked', () => byCtr(daemon, archive));
    await empty(daemon);
    await ways.measure('imgctl, unpacked', () => byCommand(daemon, archive));
    await ways.measure('again', () => byCommand(daemon, archive));
    await empty(daemon);
    await ways.measure('agent', () => byAgent(agent, archive));
    await ways.measure('again, agent', () => byAgent(agent, archive));
    await empty(daemon);
  }
  const seconds = (way: Way) => median(ways.of(way).map(({ seconds }) => seconds));
  const ratio = (way: Way, to: Way, limit: number) =>
    ratioRow(`containerd ${generation.name}: ${way} / ${to}`, seconds(way), seconds(to), limit);
  const peak = (way: Way) => Math.max(...ways.of(way).map(({ peakBytes }) => peakBytes));
  const memoryOf = (who: string, bytes: number, limit: number) =>
    memoryRow(`containerd ${generation.name}: most memory, ${who}`, bytes, limit);
  return [
    ratio('imgctl', 'ctr', limitFor(generation)),
    ratio('imgctl, unpacked', 'ctr, unpacked', 0.6),
    ratio('agent', 'ctr, unpacked', 0.8),
    ratio('again', 'imgctl, unpacked', 0.05),
    ratio('again, agent', 'agent', 0.05),
    memoryOf('ctr image import', peak('imgctl, unpacked'), 150),
    memoryOf('images import', peak('agent'), 150),
    memoryOf('agent', peakResidentBytes(agent.pid), 200),
  ];
}
