import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { formatListen, isLoopback, parseListen, requireConsent } from '../agent/listen.ts';
import { createAgentClient } from '../agent-api/agent-client.ts';
import { defaultPort } from '../agent-api/routes.ts';

import { type Executable, ownExecutable } from '../deploy/executable.ts';
import { hasCredentials } from '../deploy/systemd/credentials.ts';
import { installAgent } from '../deploy/systemd/install.ts';
import { describePlan, type InstallPlan, planInstall } from '../deploy/systemd/install-plan.ts';
import { hasCode, ImgctlError } from '../errors.ts';
import { type ClientTrust, loadClientTrust } from '../trust/client-trust.ts';
import { configDir } from '../trust/default-files.ts';
import { readToken } from '../trust/token-file.ts';
import type { CommandContext } from './context.ts';
import { describeAgent } from './describe-agent.ts';
import type { OutputOptions } from './options.ts';
import { StepTeller } from './step-teller.ts';

interface InstallOptions extends OutputOptions {
  readonly dir?: string;
  readonly listen?: readonly string[];
  readonly store?: string;
  readonly name?: string;
  readonly insecureHttp?: boolean;
  readonly executable?: string;
  readonly dryRun?: boolean;
  readonly root: string;
  readonly agentOptions: readonly string[];
}

/** @throws ImgctlError `deploy_failed`, `certificate_invalid`, `usage`, `listen_insecure`, `interrupted` */
export async function installHere(options: InstallOptions, context: CommandContext): Promise<void> {
  const { env, signal } = context.io;
  const reporter = await context.reporter(options);
  const plan = await planInstall({
    root: resolve(options.root),
    executable: await chosenExecutable(options.executable),
    credentialsDir: await credentialsDir(options.dir, env),
    listen: (tls) => listenAddresses(options, tls),
    store: absoluteStore(options.store),
    name: options.name,
    agentOptions: [...(options.insecureHttp ? ['--insecure-http'] : []), ...options.agentOptions],
  });
  if (options.dryRun) return reporter.done(describePlan(plan), { dryRun: true, listen: plan.listen });
  if (process.getuid?.() !== 0) {
    throw new ImgctlError('deploy_failed', 'installing the agent needs root', {
      hint: 'Run the same command with sudo; --dry-run shows without it what would be done.',
    });
  }
  const steps = new StepTeller(reporter, options);
  await installAgent(plan, {
    env,
    signal,
    onStep: steps.tell,
    ask: (asked) => askAgent(plan, options.agentOptions, asked),
  });
  steps.done(`the agent is installed: ${commandFor(plan)}`, { listen: plan.listen, tls: plan.tls });
}

async function chosenExecutable(named: string | undefined): Promise<Executable> {
  if (named === undefined) return ownExecutable();
  if (existsSync(named)) return { kind: 'file', path: resolve(named) };
  throw new ImgctlError('usage', `there is no file ${named}`, { hint: 'Name the executable of imgctl.' });
}

/** A service starts in another directory than the one that the path was typed in. */
function absoluteStore(store: string | undefined): string | undefined {
  return store?.startsWith('oci:') ? `oci:${resolve(store.slice('oci:'.length))}` : store;
}

/** The directory that was named; else the one that `imgctl init` writes to by itself, where it did. */
async function credentialsDir(
  named: string | undefined,
  env: CommandContext['io']['env'],
): Promise<string | undefined> {
  if (named !== undefined) return resolve(named);
  const directory = configDir(env);
  return (await hasCredentials(directory)) ? directory : undefined;
}

function listenAddresses({ listen, root, insecureHttp = false }: InstallOptions, tls: boolean): string[] {
  // MicroK8s's own cluster agent holds the usual port
  const port = existsSync(join(root, '/var/snap/microk8s/current')) ? defaultPort + 1 : defaultPort;
  const everywhere = hasIpv6() ? '[::]' : '0.0.0.0';
  const addresses = (listen ?? [`${tls ? everywhere : '127.0.0.1'}:${port}`]).map(parseListen);
  requireConsent(addresses, { tls, insecureHttp });
  return addresses.map(formatListen);
}

/** Where IPv6 is switched off, its addresses cannot be listened on. */
function hasIpv6(): boolean {
  try {
    return readFileSync('/proc/net/if_inet6', 'utf8') !== '';
  } catch {
    return false;
  }
}

/** Over the address that it listens on, verified as any command would verify it. */
async function askAgent(
  { paths, tls, listen }: InstallPlan,
  agentOptions: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const baseUrl = agentUrl(listen, tls);
  const trust = tls ? await installedTrust(paths.configDir) : await ownToken(paths.dataDir);
  await using agent = createAgentClient({ baseUrl, name: baseUrl.host, trust });
  try {
    return describeAgent(await agent.describe(signal));
  } catch (error) {
    // Told to take another token or certificates: it is there, and that is what can be known
    if (hasCode(error, 'node_unauthorized') && agentOptions.length > 0) return `ready at ${baseUrl.host}`;
    throw error;
  }
}

function installedTrust(directory: string): Promise<ClientTrust> {
  const at = (name: string) => join(directory, name);
  return loadClientTrust(
    { caFile: at('ca.crt'), tokenFile: at('token'), certFile: at('agent.crt'), keyFile: at('agent.key') },
    {},
  );
}

/** Made by the agent when it first starts. */
async function ownToken(dataDir: string): Promise<ClientTrust> {
  return { token: await readToken(join(dataDir, 'token')) };
}

function agentUrl(listen: readonly string[], tls: boolean): URL {
  const { host, port } = parseListen(listen[0] ?? '127.0.0.1');
  const reached = host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host;
  return new URL(`${tls ? 'https' : 'http'}://${formatListen({ host: reached, port })}`);
}

/** What to type next. */
function commandFor({ listen }: InstallPlan): string {
  const { host, port } = parseListen(listen[0] ?? '127.0.0.1');
  const where = isLoopback(host) ? ` --nodes ${formatListen({ host, port })}` : '';
  const elsewhere = where === '' && port !== defaultPort ? ` --agent-port ${port}` : '';
  return `imgctl images import${where}${elsewhere} < bundle.tar`;
}
