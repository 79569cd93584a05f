import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/**
 * The main job on one machine, with nothing installed: three agents on loopback, each with an image store in a
 * temporary directory, and an archive imported into all of them by the real command. Everything is gone afterwards.
 *
 *     npm run demo
 */

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = join(root, 'bin/imgctl.js');
const archive = join(root, 'fixtures/hello.tar');
const nodeNames = ['node-1', 'node-2', 'node-3'];

/** Milliseconds that an agent may take to answer. */
const startMs = 20_000;

const say = (text: string) => process.stdout.write(`${text}\n`);

// Ctrl-C reaches the agents and the command too: what is left to do is to clean up
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());

const scratch = await mkdtemp(join(tmpdir(), 'imgctl-demo-'));
const agents: ChildProcess[] = [];
try {
  process.exitCode = await demonstrate();
} catch (error) {
  process.stderr.write(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
} finally {
  await Promise.all(agents.map(stop));
  await rm(scratch, { recursive: true, force: true });
}

async function demonstrate(): Promise<number> {
  if (!existsSync(join(root, 'dist/cli/main.js'))) throw new Error('dist/ is missing: run npm run build');
  const tokenFile = join(scratch, 'token');
  await writeFile(tokenFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  say(`Starting three agents on loopback, each with an empty image store in ${scratch} …`);
  const addresses = await Promise.all(nodeNames.map((name) => startAgent(name, tokenFile)));
  const env = {
    IMGCTL_NODES: nodeNames.map((name, i) => `${name}=${addresses[i]}`).join(','),
    IMGCTL_TOKEN_FILE: tokenFile,
  };
  say(`\n$ export IMGCTL_NODES=${env.IMGCTL_NODES}`);
  const file = relative(process.cwd(), archive);
  // The image in the archive is for the platforms that clusters have; a laptop may be something else
  const runnable = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
  const importing = ['images', 'import', file, ...(runnable ? [] : ['--all-platforms'])];
  const status = await run(importing, env);
  if (status !== 0) return status;
  say('\nOnce more: what is there is not sent again.');
  const again = await run(importing, env);
  if (again !== 0) return again;
  const listed = await run(['images', 'list'], env);
  if (listed !== 0) return listed;
  say(`
That was the main job. On a cluster:

  imgctl agent run                                      on each node: serves its containerd
  docker save app:1 | imgctl images import --nodes …    anywhere
  imgctl ctr image import - < app.tar                   on one node, without an agent

Here, npm exec imgctl -- --help shows the rest. The agents and their stores are being removed.`);
  return 0;
}

/** Answers where it listens, once it is ready. */
async function startAgent(name: string, tokenFile: string): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const store = `oci:${join(scratch, name)}`;
  const logFile = join(scratch, `${name}.log`);
  await using log = await open(logFile, 'w');
  const settings = ['--listen', address, '--store', store, '--token-file', tokenFile, '--name', name];
  const agent = spawn(process.execPath, [bin, 'agent', 'run', ...settings], {
    stdio: ['ignore', log.fd, log.fd],
  });
  agents.push(agent);
  for (const until = Date.now() + startMs; Date.now() < until && agent.exitCode === null; ) {
    const answer = await fetch(`http://${address}/readyz`).catch(() => undefined);
    if (answer?.ok) return address;
    await sleep(50, undefined, { signal: interrupt.signal });
  }
  throw new Error(`the agent ${name} did not become ready:\n${await readFile(logFile, 'utf8')}`);
}

/** Runs the command as a user would, on this terminal; answers its exit status. */
async function run(args: readonly string[], env: Record<string, string>): Promise<number> {
  interrupt.signal.throwIfAborted();
  say(`\n$ imgctl ${args.join(' ')}`);
  const child = spawn(process.execPath, [bin, ...args], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  return status ?? 1;
}

async function stop(agent: ChildProcess): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  const exited = once(agent, 'exit');
  agent.kill('SIGTERM');
  // A demo leaves nothing behind, whatever an agent thinks of that
  const timer = setTimeout(() => agent.kill('SIGKILL'), 5_000);
  await exited;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
