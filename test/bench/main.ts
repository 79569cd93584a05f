import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { generations } from '../support/containerd/daemon.ts';
import type { Benchmark } from './benchmark.ts';
import { bundle } from './bundle.ts';
import { delta } from './delta.ts';
import { fanOut } from './fan-out.ts';
import { faults } from './faults.ts';
import { imagesDir } from './images-dir.ts';
import { interrupted } from './interrupted.ts';
import { memory } from './memory.ts';
import { mixed } from './mixed.ts';
import { nodeSide } from './node-side.ts';
import { overlap } from './overlap.ts';
import { asJson, asText, type Result } from './report.ts';
import { small } from './small.ts';
import { startTime } from './start-time.ts';

/**
 * `npm run bench`: what README says of speed and memory, measured in one run on one machine, as medians and as ratios
 * to a peer or a bound of the same run. As root, with what test/support/containerd/install.sh brings; all traffic
 * stays in network namespaces. CONTRIBUTING.md says how to repeat it.
 */

const benchmarks: Readonly<Record<string, Benchmark>> = {
  start: startTime,
  node: nodeSide,
  overlap,
  small,
  memory,
  'images-dir': imagesDir,
  'fan-out': fanOut,
  delta,
  mixed,
  faults,
  bundle,
};

/** In Mbit/s: so that links are the limit, and not the two cores that all nodes of a run share. */
const slowEnough: Readonly<Record<string, number>> = { 'fan-out': 8, mixed: 25, faults: 25 };

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(benchmarks).join(',') },
    runs: { type: 'string' },
    quick: { type: 'boolean', default: false },
    output: { type: 'string', default: 'text' },
    generation: { type: 'string', multiple: true },
    mebibytes: { type: 'string', default: '1024' },
    nodes: { type: 'string', default: '1,2,4,8,16' },
    rate: { type: 'string' },
    'peer-runs': { type: 'string', default: '1' },
    plot: { type: 'string' },
  },
});
const { quick } = values;
const runs = Number(values.runs ?? (quick ? 1 : 5));
const log = (line: string) => process.stderr.write(`${line}\n`);
const wanted = values.only.split(',');
const unknown = wanted.find((name) => benchmarks[name] === undefined);
if (unknown !== undefined) throw new Error(`no benchmark ${unknown}; there are ${Object.keys(benchmarks)}`);
if (process.getuid?.() !== 0) throw new Error('needs root, for network namespaces and containerd');
const here = generations().filter(({ name }) => values.generation?.includes(name) ?? true);
if (here.length === 0) log('no containerd here: run test/support/containerd/install.sh as root');

const results: Result[] = [];
for (const name of wanted) {
  if (interrupted.aborted) break;
  log(`== ${name}`);
  results.push(await carryOut(name));
}
process.stdout.write((values.output === 'json' ? asJson : asText)(results, { runs, quick }));
if (interrupted.aborted) process.exitCode = 130;
else if (results.some(({ error }) => error !== undefined)) process.exitCode = 1;

/** One that cannot be carried out does not keep the others from it. */
async function carryOut(name: string): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'imgctl-bench-'));
  try {
    const rows = await benchmarks[name]?.({
      ...{ directory, runs, quick, log, generations: here, plot: values.plot },
      mebibytes: Number(values.mebibytes),
      nodes: values.nodes.split(',').map(Number),
      rateMbit: Number(values.rate ?? slowEnough[name] ?? 50),
      peerRuns: Number(values['peer-runs']),
    });
    return { name, rows: rows ?? [] };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    log(`${name} could not be measured: ${message}`);
    return { name, rows: [], error: message };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
