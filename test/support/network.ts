import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A host of a test's own network: a network namespace with one address, and a link that can be cut. */
export interface NetworkHost {
  readonly name: string;
  readonly address: string;
  /** What stands before a command that is to run there. */
  readonly prefix: readonly [string, ...string[]];
  /** Limits its link, in both directions. */
  limit(rateMbit: number): Promise<void>;
  /** Takes its link down, or up again. */
  link(state: 'up' | 'down'): Promise<void>;
  /** What left its interface and what came in so far, in bytes, headers included. */
  traffic(): Promise<{ readonly sentBytes: number; readonly receivedBytes: number }>;
}

export interface Network extends AsyncDisposable {
  readonly hosts: readonly NetworkHost[];
}

export interface NetworkOptions {
  /** The rate of every link, in both directions, in Mbit/s (raw, headers included); not limited unless given. */
  readonly rateMbit?: number | undefined;
}

/**
 * Hosts on one switch: namespaces, veth pairs and a bridge that is in a namespace too, so that nothing of it is seen
 * by the machine's own network. Needs root. Addresses are 10.77.0.1 and on.
 */
export async function makeNetwork(names: readonly string[], options: NetworkOptions = {}): Promise<Network> {
  const id = randomBytes(3).toString('hex');
  const namespace = (name: string) => `imgctl-${id}-${name}`;
  const stack = new AsyncDisposableStack();
  const addNamespace = async (name: string) => {
    await run('ip', ['netns', 'add', namespace(name)]);
    stack.defer(async () => void (await run('ip', ['netns', 'del', namespace(name)]).catch(() => {})));
    await run('ip', ['-n', namespace(name), 'link', 'set', 'lo', 'up']);
  };
  try {
    await addNamespace('switch');
    await run('ip', ['-n', namespace('switch'), 'link', 'add', 'br0', 'type', 'bridge']);
    await run('ip', ['-n', namespace('switch'), 'link', 'set', 'br0', 'up']);
    const hosts: NetworkHost[] = [];
    for (const [i, name] of names.entries()) {
      await addNamespace(name);
      const port = `port${i}`;
      await run('ip', [
        ...['-n', namespace('switch'), 'link', 'add', port, 'type', 'veth'],
        ...['peer', 'name', 'eth0', 'netns', namespace(name)],
      ]);
      await run('ip', ['-n', namespace('switch'), 'link', 'set', port, 'master', 'br0', 'up']);
      const address = `10.77.0.${i + 1}`;
      await run('ip', ['-n', namespace(name), 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
      await run('ip', ['-n', namespace(name), 'link', 'set', 'eth0', 'up']);
      const host: NetworkHost = {
        name,
        address,
        prefix: ['ip', 'netns', 'exec', namespace(name)],
        limit: async (rateMbit) => {
          await shape(namespace(name), 'eth0', rateMbit);
          await shape(namespace('switch'), port, rateMbit);
        },
        link: async (state) => {
          await run('ip', ['-n', namespace('switch'), 'link', 'set', port, state]);
        },
        traffic: () => trafficOf(namespace(name)),
      };
      if (options.rateMbit !== undefined) await host.limit(options.rateMbit);
      hosts.push(host);
    }
    return { hosts, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function trafficOf(namespace: string) {
  const { stdout } = await run('ip', ['-n', namespace, '-s', '-j', 'link', 'show', 'dev', 'eth0']);
  const [{ stats64 }] = JSON.parse(stdout) as [{ stats64: { rx: { bytes: number }; tx: { bytes: number } } }];
  return { sentBytes: stats64.tx.bytes, receivedBytes: stats64.rx.bytes };
}

/**
 * A token bucket at the sending end of a link: a burst of 5 ms, and a queue of 50 ms behind it. A burst that is smaller than
 * what a socket hands down at once (64 KiB) would have it cut into single packets, each of which wakes the receiver: no
 * network card does that.
 */
async function shape(namespace: string, device: string, rateMbit: number): Promise<void> {
  const burst = Math.max(98_304, Math.round((rateMbit * 1e6 * 0.005) / 8));
  await run('tc', [
    ...['-n', namespace, 'qdisc', 'replace', 'dev', device, 'root', 'tbf'],
    ...['rate', `${rateMbit}mbit`, 'burst', String(burst), 'latency', '50ms'],
  ]);
}
