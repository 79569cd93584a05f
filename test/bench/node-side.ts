import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startAgent } from '../support/agent-process.ts';
import { type ContainerdDaemon, type Generation, startContainerd } from '../support/containerd/daemon.ts';
import { median, peakResidentBytes, type Timed, timed } from './timed-process.ts';

export const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));
export const imageName = 'registry.example.com/bench/image:1';

export interface Row {
  readonly what: string;
  readonly value: string;
  readonly limit: string;
  readonly met: boolean | undefined;
}

export interface NodeSideOptions {
  readonly archive: string;
  readonly runs: number;
  readonly log: (line: string) => void;
}

type Way = 'ctr' | 'ctr, unpacked' | 'imgctl' | 'imgctl, unpacked' | 'agent' | 'again' | 'again, agent';

/** One generation of containerd: every way in turn, several times over, so that noise hits all of them alike. */
export async function nodeSide(
  generation: Generation,
  { archive, runs, log }: NodeSideOptions,
): Promise<Row[]> {
  const daemon = await startContainerd(generation);
  const agent = await startAgent({ store: `containerd:${daemon.socket}` });
  const token = ['--token-file', agent.tokenFile];
  const results = new Map<Way, Timed[]>();
  const measure = async (way: Way, run: () => Promise<Timed>) => {
    const result = await run();
    results.set(way, [...(results.get(way) ?? []), result]);
    log(`${generation.name} ${way}: ${result.seconds.toFixed(2)} s`);
  };
  const ctr = (...args: string[]) =>
    timed(join(generation.bin, 'ctr'), [
      '--address',
      daemon.socket,
      '-n',
      'k8s.io',
      'images',
      'import',
      ...args,
      archive,
    ]);
  const local = (...args: string[]) =>
    timed(process.execPath, [bin, 'ctr', 'image', 'import', '--address', daemon.socket, ...args, archive]);
  const remote = () =>
    timed(process.execPath, [bin, 'images', 'import', '--nodes', agent.address, ...token, archive]);
  try {
    for (let i = 0; i < runs; i += 1) {
      await measure('ctr', () => ctr('--no-unpack'));
      await empty(daemon);
      await measure('imgctl', () => local('--no-unpack'));
      await empty(daemon);
      await measure('ctr, unpacked', () => ctr());
      await empty(daemon);
      await measure('imgctl, unpacked', () => local());
      await measure('again', () => local());
      await empty(daemon);
      await measure('agent', remote);
      await measure('again, agent', remote);
      await empty(daemon);
    }
    const seconds = (way: Way) => median((results.get(way) ?? []).map(({ seconds }) => seconds));
    const ratio = (way: Way, to: Way, limit: number): Row => {
      const value = seconds(way) / seconds(to);
      return {
        what: `containerd ${generation.name}: ${way} / ${to}`,
        value: `${value.toFixed(2)} (${seconds(way).toFixed(2)} s / ${seconds(to).toFixed(2)} s)`,
        limit: `≤ ${limit}`,
        met: value <= limit,
      };
    };
    const peak = (way: Way) => Math.max(...(results.get(way) ?? []).map(({ peakBytes }) => peakBytes));
    return [
      ratio('imgctl', 'ctr', 0.6),
      ratio('imgctl, unpacked', 'ctr, unpacked', 0.7),
      ratio('agent', 'ctr, unpacked', 0.8),
      ratio('again', 'imgctl, unpacked', 0.05),
      ratio('again, agent', 'agent', 0.05),
      memory(`containerd ${generation.name}: peak memory, ctr image import`, peak('imgctl, unpacked'), 150),
      memory(`containerd ${generation.name}: peak memory, images import`, peak('agent'), 150),
      memory(`containerd ${generation.name}: peak memory, agent`, peakResidentBytes(agent.pid), 200),
    ];
  } finally {
    await agent.stop();
    await daemon.stop();
  }
}

export function memory(what: string, bytes: number, limitMegabytes: number): Row {
  const megabytes = bytes / 1e6;
  return {
    what,
    value: `${megabytes.toFixed(0)} MB`,
    limit: `≤ ${limitMegabytes} MB`,
    met: megabytes <= limitMegabytes,
  };
}

/** Takes everything out of the store, and waits until it is collected. */
export async function empty(daemon: ContainerdDaemon): Promise<void> {
  const { stdout } = await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q']);
  const names = stdout.split('\n').filter(Boolean);
  if (names.length > 0) await daemon.ctr(['-n', 'k8s.io', 'images', 'rm', '--sync', ...names]);
  const left = await daemon.ctr(['-n', 'k8s.io', 'content', 'ls', '-q']);
  const blobs = left.stdout.split('\n').filter(Boolean);
  if (blobs.length > 0) throw new Error(`${daemon.generation.name} still has ${blobs.length} blobs`);
}
