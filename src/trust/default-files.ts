import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the files of a cluster's trust are kept, and what each is called. */

type Env = Readonly<Record<string, string | undefined>>;

/** On nodes. */
export const systemConfigDir = '/etc/imgctl';

/** `imgctl` in the XDG configuration directory: also for root, who may work for several clusters. */
export function configDir(env: Env): string {
  const config = env.XDG_CONFIG_HOME;
  // The specification: a relative path there is to be ignored
  return join(config?.startsWith('/') ? config : join(env.HOME || homedir(), '.config'), 'imgctl');
}

/** Where a command looks when nothing was named: the first that holds an authority is the cluster's. */
export function defaultTrustDirs(env: Env): readonly string[] {
  return [configDir(env), systemConfigDir];
}

/** What `init` makes. */
export const trustFiles = {
  ca: 'ca.crt',
  caKey: 'ca.key',
  cert: 'agent.crt',
  key: 'agent.key',
  clientCert: 'client.crt',
  clientKey: 'client.key',
  token: 'token',
} as const;

/** A certificate of a host's own, and its key. Colons of IPv6 mean something to scp, and are written as dashes. */
export function hostFiles(host: string): { readonly cert: string; readonly key: string } {
  const name = `agent-${host.toLowerCase().replaceAll(':', '-')}`;
  return { cert: `${name}.crt`, key: `${name}.key` };
}

/** Certificates for agents among the names in a directory. */
export function isAgentCertificate(name: string): boolean {
  return /^agent(-.+)?\.crt$/.test(name);
}
