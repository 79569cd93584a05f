import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { startAgent } from '../support/agent-process.ts';
import { generations, startContainerd } from '../support/containerd/daemon.ts';
import { writeArchive } from './archive.ts';
import { fanOut, fanOutRows } from './fan-out.ts';
import { bin, imageName, memory, nodeSide, type Row } from './node-side.ts';
import { median, peakResidentBytes, timed } from './timed-process.ts';

/**
 * `npm run bench`: what README says of speed and memory, measured in one run on one machine, as medians and as ratios
 * to a peer of the same run. As root, with the generations of containerd of test/support/containerd/install.sh.
 */

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    mebibytes: { type: 'string', default: '1024' },
    generation: { type: 'string', multiple: true },
    output: { type: 'string', default: 'text' },
    only: { type: 'string' },
    nodes: { type: 'string', default: '1,2,4,8,16' },
    rate: { type: 'string', default: '100' },
  },
});
const runs = Number(values.runs);
const bytes = Number(values.mebibytes) * 1024 * 1024;
const log = (line: string) => process.stderr.write(`${line}\n`);

const directory = await mkdtemp(join(tmpdir(), 'imgctl-bench-'));
try {
  const rows: Row[] = values.only === 'fan-out' ? [] : await onOneNode();
  if (values.only !== 'node') rows.push(...(await onManyNodes()));
  print(rows);
} finally {
  await rm(directory, { recursive: true, force: true });
}

/** Over links that are the limit: 64 MiB, as larger ones say the same and take longer. */
async function onManyNodes(): Promise<Row[]> {
  const sizes = values.nodes.split(',').map(Number);
  const rateMbit = Number(values.rate);
  return fanOutRows(await fanOut({ directory, sizes, runs, rateMbit, bytes: 64 * 1024 * 1024, log }));
}

async function onOneNode(): Promise<Row[]> {
  const rows: Row[] = [await startTime()];
  const archive = join(directory, 'image.tar');
  log(`writing an archive of ${values.mebibytes} MiB in 8 layers`);
  await writeArchive(archive, imageName, 8, bytes);
  const wanted = generations().filter(({ name }) => values.generation?.includes(name) ?? true);
  if (wanted.length === 0) log('no containerd here: run test/support/containerd/install.sh as root');
  for (const generation of wanted) rows.push(...(await nodeSide(generation, { archive, runs, log })));
  const [newest] = wanted.slice(-1);
  if (newest !== undefined) {
    const large = join(directory, 'large.tar');
    log('writing an archive of four times that');
    await writeArchive(large, imageName, 8, bytes * 4);
    rows.push(...(await largeMemory(large)));
  }
  return rows;
}

async function startTime(): Promise<Row> {
  const bare: number[] = [];
  const version: number[] = [];
  for (let i = 0; i < Math.max(10, runs); i += 1) {
    bare.push((await timed(process.execPath, ['-e', '0'])).seconds);
    version.push((await timed(process.execPath, [bin, '--version'])).seconds);
  }
  const ratio = median(version) / median(bare);
  return {
    what: 'imgctl --version / node -e 0',
    value: `${ratio.toFixed(2)} (${(median(version) * 1000).toFixed(0)} ms / ${(median(bare) * 1000).toFixed(0)} ms)`,
    limit: '≤ 2',
    met: ratio <= 2,
  };
}

/** The same memory, whatever the size of the archive. */
async function largeMemory(archive: string): Promise<Row[]> {
  const [generation] = generations().slice(-1);
  if (generation === undefined) return [];
  const daemon = await startContainerd(generation);
  const agent = await startAgent({ store: `containerd:${daemon.socket}` });
  try {
    const { peakBytes } = await timed(process.execPath, [
      ...[bin, 'images', 'import', '--nodes', agent.address, '--token-file', agent.tokenFile],
      archive,
    ]);
    return [
      memory('four times the size: peak memory, images import', peakBytes, 150),
      memory('four times the size: peak memory, agent', peakResidentBytes(agent.pid), 200),
    ];
  } finally {
    await agent.stop();
    await daemon.stop();
  }
}

function print(rows: readonly Row[]): void {
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node.js ${process.version}`;
  if (values.output === 'json') {
    process.stdout.write(
      `${JSON.stringify({ machine, date: new Date().toISOString(), runs, bytes, rows }, null, 2)}\n`,
    );
    return;
  }
  const table = new Table({ head: ['what', 'measured', 'must', ''], style: { head: [], border: [] } });
  for (const { what, value, limit, met } of rows)
    table.push([what, value, limit, met === undefined ? '' : met ? 'met' : 'NOT met']);
  process.stdout.write(
    `${machine}\n${values.mebibytes} MiB in 8 layers, medians of ${runs} runs\n${table.toString()}\n`,
  );
}
