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
  /** Takes its link down, or up again. */
  link(state: 'up' | 'down'): Promise<void>;
}

export interface Network extends AsyncDisposable {
  readonly hosts: readonly NetworkHost[];
}

/**
 * Hosts on one switch: namespaces, veth pairs and a bridge that is in a namespace too, so that nothing of it is seen
 * by the machine's own network. Needs root. Addresses are 10.77.0.1 and on.
 */
export async function makeNetwork(names: readonly string[]): Promise<Network> {
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
      hosts.push({
        name,
        address,
        prefix: ['ip', 'netns', 'exec', namespace(name)],
        link: async (state) => {
          await run('ip', ['-n', namespace('switch'), 'link', 'set', port, state]);
        },
      });
    }
    return { hosts, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
