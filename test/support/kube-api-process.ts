import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeconfigOf, kubeNode, kubeUser, startKubeApi } from './kube-api.ts';

/**
 * The stand-in of an API server in a process of its own, so that it can be a host of a test's network:
 * HOST PORT DIRECTORY NAME=ADDRESS… Writes DIRECTORY/kubeconfig, with a client certificate, and runs until it is killed.
 */
const ownMachine = {
  architecture: process.arch === 'x64' ? 'amd64' : process.arch,
  operatingSystem: 'linux',
  containerRuntimeVersion: 'containerd://1.7.24',
};
const [host = '', port = '', directory = '', ...nodes] = process.argv.slice(2);
const api = await startKubeApi({ host, port: Number(port), names: [host] });
api.nodes = nodes.map((node) => {
  const [name = '', address = ''] = node.split('=');
  return kubeNode(name, { addresses: [['InternalIP', address]], nodeInfo: ownMachine });
});
writeFileSync(join(directory, 'kubeconfig'), kubeconfigOf(api, await kubeUser(api)));
