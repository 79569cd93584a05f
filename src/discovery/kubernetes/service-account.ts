import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import type { Kubeconfig } from './kubeconfig.ts';

const directory = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * What Kubernetes gives to a pod: the address of its API server in the environment, a token and the cluster's
 * authority as files. Undefined outside of one.
 */
export async function serviceAccountConfig(
  env: Readonly<Record<string, string | undefined>>,
  root: string,
): Promise<Kubeconfig | undefined> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port) return undefined;
  const token = await readFile(`${root}${directory}/token`, 'utf8').catch(() => undefined);
  if (token === undefined) return undefined;
  const name = 'service account';
  return {
    name: 'the service account of this pod',
    contexts: [{ name, cluster: name, user: name }],
    clusters: [
      {
        name,
        server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
        caFile: `${root}${directory}/ca.crt`,
        skipTLSVerify: false,
      },
    ],
    users: [{ name, token: token.trim(), directory }],
    currentContext: name,
  };
}
