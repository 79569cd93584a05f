import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import type { ImagesDirectoryStatus } from '../../src/agent-api/schemas.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { startContainerd } from '../support/containerd/daemon.ts';
import { writeDockerSave, writeImages } from './archive.ts';
import { type BenchmarkOptions, bin, mebibyte, memoryRow, type Row } from './benchmark.ts';
import { makeLayer } from './layers.ts';
import { median, peakResidentBytes, timed } from './timed-process.ts';

/** Of which whoever has lost its memory has to read all: what is in it stands at its end. */
const savedAndPacked = 'saved.tar.gz';

/**
 * A restart of an agent with an images directory of archives that did not change: the time from the start of its process
 * until each file is reported as done, and all bytes that the process has read by then (`rchar` of /proc: reads that the
 * page cache answers count as well).
 */
export async function imagesDir(options: BenchmarkOptions): Promise<Row[]> {
  const { generations, directory, runs, quick, log } = options;
  const generation = generations.at(-1);
  if (generation === undefined) throw new Error('needs containerd');
  const images = join(directory, 'images');
  await fill(images, quick ? 8 : 512);
  await using stack = new AsyncDisposableStack();
  const daemon = await startContainerd(generation);
  stack.defer(() => daemon.stop());
  const args = ['--images-dir', images, '--images-dir-concurrency', '4'];
  const agent = await startAgent({ store: `containerd:${daemon.socket}`, args });
  stack.defer(() => agent.stop());
  log(`images-dir: imported after ${(await allReady(agent, images)).toFixed(1)} s`);
  const peak = peakResidentBytes(agent.pid);
  const measure = async (what: string, before: () => Promise<unknown>, times = runs) => {
    const restarts: Restart[] = [];
    for (let run = 0; run < times; run += 1) {
      await agent.kill('SIGTERM');
      await before();
      // What was imported before is still on its way to the disk: that is not the restart's
      await timed('sync', []);
      restarts.push(await restart(agent, images));
      const { seconds, share, bytesRead } = restarts.at(-1) as Restart;
      log(`images-dir, ${what}: ${seconds.toFixed(2)} s, ${mega(bytesRead)} read (${percent(share)})`);
    }
    return restarts;
  };
  const forget = () =>
    Promise.all(
      [join(agent.dataDir, 'images-dir.json'), join(images, '.cache.json')].map((path) => rm(path)),
    );
  const remembered = await measure('remembered', async () => {});
  const onlyCache = await measure('.cache.json alone', () => rm(join(agent.dataDir, 'images-dir.json')), 1);
  const all = await measure(
    'memory lost',
    async () => {
      await forget();
      await writeFile(join(images, '.cache.json'), '');
    },
    1,
  );
  await rename(join(images, savedAndPacked), join(directory, savedAndPacked));
  const lost = await measure('memory lost, without what was saved and packed', async () => {
    await forget();
    await writeFile(join(images, '.cache.json'), '');
  });
  const booted = await measure(
    'memory lost, nothing cached',
    async () => {
      await forget();
      await writeFile(join(images, '.cache.json'), '');
      await writeFile('/proc/sys/vm/drop_caches', '3');
    },
    1,
  );
  const bytes = `${((all[0]?.bytes ?? 0) / mebibyte).toFixed(0)} MiB`;
  return [
    ...rows(`restart, ${bytes} of archives`, remembered, true),
    ...rows(".cache.json alone, the agent's memory lost", onlyCache),
    ...rows('all memory lost, no docker save that was gzipped', lost, true),
    ...rows('the same, and nothing in the page cache', booted),
    ...rows('all memory lost, with 512 MiB of such', all),
    memoryRow('most memory of the agent, four files at once', peak, 200),
  ];
}

interface Restart {
  readonly seconds: number;
  readonly bytesRead: number;
  /** Of the archives. */
  readonly bytes: number;
  readonly share: number;
}

async function restart(agent: AgentProcess, images: string): Promise<Restart> {
  const begun = performance.now();
  await agent.restart();
  await allReady(agent, images);
  const seconds = (performance.now() - begun) / 1000;
  const bytesRead = await readBy(agent.pid);
  const bytes = await sizeOf(images);
  return { seconds, bytesRead, bytes, share: bytesRead / bytes };
}

/** Whatever it read, of files and sockets. */
async function readBy(pid: number): Promise<number> {
  return Number(/^rchar: (\d+)/m.exec(await readFile(`/proc/${pid}/io`, 'latin1'))?.[1]);
}

/** Waits until every file of the directory is reported as done. Answers the seconds that it took. */
async function allReady(agent: AgentProcess, images: string): Promise<number> {
  const begun = performance.now();
  const names = await archivesIn(images);
  const authorization = `Bearer ${(await readFile(agent.tokenFile, 'utf8')).trim()}`;
  for (;;) {
    const answer = await fetch(`http://${agent.address}/v1/images-dir`, { headers: { authorization } });
    const { files } = (await answer.json()) as ImagesDirectoryStatus;
    const failed = files.find(({ state }) => state === 'failed');
    if (failed !== undefined) throw new Error(`${failed.path} failed: ${JSON.stringify(failed)}`);
    const ready = new Set(files.filter(({ state }) => state === 'ready').map(({ path }) => path));
    if (names.every((name) => ready.has(join(images, name)))) return (performance.now() - begun) / 1000;
    await sleep(10);
  }
}

async function archivesIn(images: string): Promise<readonly string[]> {
  return (await readdir(images)).filter((name) => name.includes('.tar'));
}

async function sizeOf(images: string): Promise<number> {
  const sizes = (await archivesIn(images)).map(async (name) => (await stat(join(images, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Eight images in six files; `mebibytes` of each image. */
async function fill(images: string, mebibytes: number): Promise<void> {
  await mkdir(images);
  await writeFile(join(images, '.cache.json'), '');
  let number = 0;
  const image = () => {
    number += 1;
    const layers = Array.from({ length: 8 }, () => makeLayer((mebibytes / 8) * mebibyte));
    return { name: `registry.example.com/bench/directory-${number}:1`, layers };
  };
  await writeDockerSave(join(images, 'saved-1.tar'), [image(), image()]);
  await writeDockerSave(join(images, 'saved-2.tar'), [image()]);
  await writeImages(join(images, 'layout-1.tar'), [image(), image()]);
  await writeImages(join(images, 'layout-2.tar'), [image()]);
  await writeImages(join(images, savedAndPacked), [image()], createGzip({ level: 1 }));
  const bundled = join(images, 'bundled');
  await writeImages(bundled, [image()]);
  await timed(process.execPath, [
    bin,
    'bundle',
    'create',
    '--from-archive',
    bundled,
    '-o',
    `${bundled}.tar.zst`,
  ]);
  await rm(bundled);
}

function rows(what: string, restarts: readonly Restart[], limited = false): Row[] {
  const seconds = median(restarts.map((restart) => restart.seconds));
  const bytesRead = median(restarts.map((restart) => restart.bytesRead));
  const share = median(restarts.map((restart) => restart.share));
  return [
    { what: `${what}: until all is done`, value: seconds, unit: 's', ...(limited ? { limit: 2 } : {}) },
    {
      what: `${what}: bytes read / the archives`,
      value: share * 100,
      unit: '%',
      note: mega(bytesRead),
      ...(limited ? { limit: 1 } : {}),
    },
  ];
}

function mega(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
