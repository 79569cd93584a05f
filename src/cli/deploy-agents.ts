import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatListen, parseListen } from '../agent/listen.ts';
import { createAgentClient } from '../agent-api/agent-client.ts';
import { executableName, findExecutable } from '../deploy/executable.ts';
import { deployToHost } from '../deploy/ssh/deploy-host.ts';
import { SshConnection } from '../deploy/ssh/ssh-connection.ts';
import { parseSshHosts, type SshHost } from '../deploy/ssh/ssh-host.ts';
import { readCredentials } from '../deploy/systemd/credentials.ts';
import { sha256Of } from '../deploy/systemd/place-file.ts';
import { hasCode, ImgctlError, toImgctlError } from '../errors.ts';
import type { DeployResult, Reporter } from '../output/reporter.ts';
import { Limiter } from '../streams/limiter.ts';
import { type ClientTrust, loadClientTrust } from '../trust/client-trust.ts';
import { configDir, trustFiles } from '../trust/default-files.ts';
import type { CliIo, CommandContext } from './context.ts';
import { describeAgent } from './describe-agent.ts';
import { exitStatus } from './exit-codes.ts';
import type { OutputOptions } from './options.ts';
import { ownCertificate } from './own-certificate.ts';

interface DeployOptions extends OutputOptions {
  readonly ssh: string;
  readonly dir?: string;
  readonly sshOption?: readonly string[];
  readonly listen?: readonly string[];
  readonly executableDir?: string;
  readonly concurrency: number;
  readonly remoteRoot: string;
  readonly agentOptions: readonly string[];
}

interface Deployment {
  readonly options: DeployOptions;
  readonly dir: string;
  readonly trust: ClientTrust;
  readonly executableFor: (arch: string) => Promise<{ readonly path: string; readonly sha256: string }>;
  readonly io: CliIo;
  readonly reporter: Reporter;
}

/** Milliseconds in which an agent that is ready there must answer here. */
const answersWithinMs = 15_000;

/** All hosts, an outcome each. @throws ImgctlError `usage`, `certificate_invalid`, before anything was sent */
export async function deployAgents(options: DeployOptions, context: CommandContext): Promise<void> {
  const { io } = context;
  const reporter = await context.reporter(options);
  const hosts = parseSshHosts(options.ssh);
  for (const address of options.listen ?? []) parseListen(address);
  const dir = options.dir === undefined ? configDir(io.env) : resolve(options.dir);
  const trust = await loadClientTrust(
    { caFile: join(dir, trustFiles.ca), tokenFile: join(dir, trustFiles.token) },
    io.env,
  );
  const executableFor = executables(options.executableDir);
  const deployment = { options, dir, trust, executableFor, io, reporter };
  const limiter = new Limiter(options.concurrency);
  const results = await Promise.all(hosts.map((host) => limiter.run(() => deployOne(host, deployment))));
  reporter.deployed(results);
  context.status = statusOf(results, io.signal.aborted);
}

async function deployOne(
  host: SshHost,
  { options, dir, trust, executableFor, io, reporter }: Deployment,
): Promise<DeployResult> {
  const { env, signal } = io;
  const onStep = (message: string) => reporter.note(`${host.label}: ${message}`);
  const ssh = new SshConnection(host, { env, options: options.sshOption ?? [] });
  let address = host.label;
  try {
    const name = await ssh.address(signal);
    address = name;
    const { listen } = await deployToHost({
      ssh,
      credentials: await readCredentials(dir, await ownCertificate(dir, name)),
      executableFor,
      installOptions: [
        ...(options.listen ?? []).flatMap((listen) => ['--listen', listen]),
        ...(options.agentOptions.length === 0 ? [] : ['--', ...options.agentOptions]),
      ],
      root: options.remoteRoot,
      signal,
      onStep,
    });
    onStep('installed');
    address = formatListen(reachable(name, listen));
    return { host: host.label, address, summary: await askFromHere(address, trust, signal) };
  } catch (thrown) {
    const error = toImgctlError(thrown).within({ node: host.label });
    onStep(`failed: ${error.message}`);
    return { host: host.label, address, error };
  }
}

/** Where an agent that listens on every address, or on one that was named, is found from here. */
function reachable(host: string, listen: readonly string[]): { host: string; port: number } {
  const first = parseListen(listen[0] ?? '');
  const everywhere = first.host === '::' || first.host === '0.0.0.0';
  return { host: everywhere ? host : first.host, port: first.port };
}

async function askFromHere(address: string, trust: ClientTrust, signal: AbortSignal): Promise<string> {
  const name = address;
  await using agent = createAgentClient({ baseUrl: new URL(`https://${address}`), name, trust });
  const until = AbortSignal.any([signal, AbortSignal.timeout(answersWithinMs)]);
  for (;;) {
    try {
      return describeAgent(await agent.describe(until));
    } catch (error) {
      if (until.aborted || !hasCode(error, 'node_unreachable')) throw notAnswering(error, address);
      await sleep(500, undefined, { signal: until }).catch(() => {});
    }
  }
}

/** It answers there, on its own machine: what is in between is to blame. */
function notAnswering(error: unknown, address: string): unknown {
  if (!hasCode(error, 'node_unreachable')) return error;
  return new ImgctlError(
    'node_unreachable',
    `the agent is ready there, but does not answer here: ${error.message}`,
    {
      hint: `Let TCP port ${address.split(':').at(-1)} through the firewall between this machine and the nodes, and between the nodes.`,
      context: error.context,
      cause: error,
    },
  );
}

/** Each architecture's executable is looked for and hashed once, when the first host wants it. */
function executables(directory: string | undefined): Deployment['executableFor'] {
  const known = new Map<string, Promise<{ path: string; sha256: string }>>();
  const find = async (arch: string) => {
    const path = await findExecutable(arch, { directory });
    if (path !== undefined) return { path, sha256: await sha256Of(path) };
    const where = directory === undefined ? 'beside this one' : `in ${directory}`;
    throw new ImgctlError('deploy_failed', `there is no ${executableName(arch)} ${where}`, {
      hint: 'Put the executable for that architecture there, or name its directory with --executable-dir.',
    });
  };
  return (arch) => {
    const found = known.get(arch) ?? find(arch);
    known.set(arch, found);
    return found;
  };
}

function statusOf(results: readonly DeployResult[], interrupted: boolean) {
  const good = results.filter(({ error }) => error === undefined).length;
  if (good === results.length) return exitStatus.ok;
  if (interrupted) return exitStatus.interrupted;
  return good > 0 ? exitStatus.partial : exitStatus.failed;
}
