import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { ImgctlError } from '../../errors.ts';
import { type Kubeconfig, mergeKubeconfigs, readKubeconfig } from './kubeconfig.ts';
import { serviceAccountConfig } from './service-account.ts';

/** Where Kubernetes distributions leave an administrator's kubeconfig on their servers. */
const systemPlaces = [
  '/etc/rancher/k3s/k3s.yaml',
  '/etc/rancher/rke2/rke2.yaml',
  '/var/snap/microk8s/current/credentials/client.config',
  '/etc/kubernetes/admin.conf',
];

export interface KubeconfigSearch {
  /** The first that says something of a cluster. */
  readonly found?: Kubeconfig | undefined;
  /** Places of this machine that are there, come before, and cannot be read by this user. */
  readonly unreadable: readonly string[];
}

export interface KubeconfigPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What `--kubeconfig` names: then no other place counts. */
  readonly explicit?: string | undefined;
  /** Before every place that is not the user's. */
  readonly root?: string | undefined;
}

/**
 * Looks where kubectl and clients within a cluster do, then where distributions put theirs: `--kubeconfig`, the files
 * of `$KUBECONFIG` merged, `~/.kube/config`, the service account of a pod, K3s, RKE2, MicroK8s, kubeadm. A file
 * without contexts counts as none. Whoever sets `$KUBECONFIG` means that cluster: no other file is taken in its stead.
 * @throws ImgctlError `config_invalid`: a file that the user named, or has at home, is missing, unreadable or wrong
 */
export async function findKubeconfig({
  env,
  explicit,
  root = '',
}: KubeconfigPlaces): Promise<KubeconfigSearch> {
  if (explicit !== undefined) {
    const config = await readKubeconfig(explicit, await readOwn(explicit, '--kubeconfig names it'));
    if (config.contexts.length > 0) return { found: config, unreadable: [] };
    throw new ImgctlError('config_invalid', `the kubeconfig ${explicit} has no contexts`, {
      hint: 'Name another with --kubeconfig, or name the nodes: --nodes.',
      context: { path: explicit },
    });
  }
  const own = await ownKubeconfig(env);
  if (own !== undefined && own.contexts.length > 0) return { found: own, unreadable: [] };
  const account = await serviceAccountConfig(env, root);
  if (account !== undefined) return { found: account, unreadable: [] };
  return env.KUBECONFIG ? { unreadable: [] } : systemKubeconfig(root);
}

/** What `$KUBECONFIG` names, else the one at home. */
async function ownKubeconfig({ KUBECONFIG, HOME }: KubeconfigPlaces['env']): Promise<Kubeconfig | undefined> {
  if (!KUBECONFIG) {
    const home = HOME ? join(HOME, '.kube', 'config') : undefined;
    const text = home === undefined ? undefined : await readIfThere(home);
    return home === undefined || text === undefined ? undefined : readKubeconfig(home, text);
  }
  const files = KUBECONFIG.split(delimiter).filter((file) => file !== '');
  const configs: Kubeconfig[] = [];
  for (const file of files) {
    // As kubectl does: a file of the list may be missing
    const text = await readIfThere(file);
    if (text !== undefined) configs.push(await readKubeconfig(file, text));
  }
  if (configs.length > 0) return mergeKubeconfigs(configs);
  throw new ImgctlError('config_invalid', `KUBECONFIG names ${files.join(' and ')}, which is not there`, {
    hint: 'Set KUBECONFIG to a file that is there, or unset it; --discover local is the agent of this machine.',
  });
}

async function systemKubeconfig(root: string): Promise<KubeconfigSearch> {
  const unreadable: string[] = [];
  for (const place of systemPlaces) {
    const file = `${root}${place}`;
    try {
      const config = await readKubeconfig(file, await readFile(file, 'utf8'));
      if (config.contexts.length > 0) return { found: config, unreadable };
    } catch (error) {
      if (error instanceof ImgctlError) throw error;
      if (isDenied(error)) unreadable.push(file);
    }
  }
  return { unreadable };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unreadableOwn(file, error);
  }
}

async function readOwn(file: string, why: string): Promise<string> {
  const text = await readIfThere(file);
  if (text !== undefined) return text;
  throw new ImgctlError('config_invalid', `the kubeconfig ${file} is not there: ${why}`, {
    hint: 'Name one that is there, or name the nodes: --nodes.',
    context: { path: file },
  });
}

/** Another cluster's in its stead would be worse than none. */
function unreadableOwn(file: string, cause: unknown): ImgctlError {
  return new ImgctlError('config_invalid', `the kubeconfig ${file} cannot be read`, {
    hint: 'Make it readable for this user, or name another with --kubeconfig.',
    context: { path: file },
    cause,
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM');
}
