import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startKubeApi } from './kube-api.ts';

/**
 * The stand-in of an API server in a process of its own, so that it can be a host of a test's network:
 * HOST PORT DIRECTORY NAME=ADDRESS… Writes DIRECTORY/kubeconfig, with a client certificate, and runs until it is killed.
 */
const [host = '', port = '', directory = '', ...nodes] = process.argv.slice(2);
const api = await startKubeApi({ host, port: Number(port), names: [host] });
api.nodes = nodes.map((node) => {
  const [name = '', address = ''] = node.split('=');
  return {
    metadata: { name },
    spec: {},
    status: {
      addresses: [{ type: 'InternalIP', address }],
      conditions: [{ type: 'Ready', status: 'True' }],
      nodeInfo: {
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        operatingSystem: 'linux',
        containerRuntimeVersion: 'containerd://1.7.24',
      },
    },
  };
});
const admin = await api.authority.issue('admin', { names: [], usages: ['client'] });
writeFileSync(
  join(directory, 'kubeconfig'),
  `apiVersion: v1
kind: Config
current-context: edge
clusters: [{ name: edge, cluster: { server: "${api.url}", certificate-authority: "${api.authority.caFile}" } }]
users: [{ name: admin, user: { client-certificate: "${admin.certFile}", client-key: "${admin.keyFile}" } }]
contexts: [{ name: edge, context: { cluster: edge, user: admin } }]
`,
);
