import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './agent-process.ts';

const run = promisify(execFile);
const program = '/usr/sbin/sshd';

/** Why a real sshd cannot be had here; undefined where it can. */
export function withoutSshd(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  return existsSync(program)
    ? undefined
    : 'openssh-server is not installed: test/support/containerd/install.sh';
}

/** A real sshd on 127.0.0.1, that lets root in with a key of its own. */
export interface Sshd {
  readonly port: number;
  /** `--ssh-option …` for a client that knows its key, and has one that is let in. */
  readonly options: readonly string[];
  /** A host key that is not its own, as a client's file has it. */
  readonly otherKey: string;
  readonly knownHosts: string;
  stop(): Promise<void>;
}

/** `path`: the PATH of what runs there. */
export async function startSshd(dir: string, path: string): Promise<Sshd> {
  await mkdir(dir, { recursive: true });
  // Where it gives up its rights; missing until the system's own sshd first starts
  await mkdir('/run/sshd', { recursive: true });
  const [port, hostKey, userKey] = [await freePort(), join(dir, 'host_key'), join(dir, 'user_key')];
  const [knownHosts, config] = [join(dir, 'known_hosts'), join(dir, 'sshd_config')];
  for (const file of [hostKey, userKey, join(dir, 'other_key')])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
  const known = async (file: string) => `[127.0.0.1]:${port} ${await readFile(`${file}.pub`, 'utf8')}`;
  await writeFile(knownHosts, await known(hostKey));
  await writeFile(
    config,
    `${[
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${userKey}.pub`,
      `SetEnv "PATH=${path}"`,
      'PidFile none',
      'UsePAM no',
      'StrictModes no',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
    ].join('\n')}\n`,
  );
  const child = spawn(program, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  for (const until = Date.now() + 10_000; !(await answers(port)); await sleep(50))
    if (Date.now() > until || child.exitCode !== null) throw new Error(`sshd did not start:\n${log}`);
  const options = [
    `Port=${port}`,
    `IdentityFile=${userKey}`,
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
  ];
  return {
    port,
    otherKey: await known(join(dir, 'other_key')),
    knownHosts,
    options: options.flatMap((option) => ['--ssh-option', option]),
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
