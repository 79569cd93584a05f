import { dirname } from 'node:path/posix';
import {
  configDirectory,
  dataDirectory,
  type ImagesDirSettings,
  type ManifestSettings,
  type PodRegistries,
  registriesFile,
} from './settings.ts';

export const agentName = 'imgctl-agent';
export const secretName = 'imgctl-agent';
const selector = { 'app.kubernetes.io/name': agentName };

export function labelsOf(version: string): Record<string, string> {
  return {
    ...selector,
    // Of a label's value: no + as versions may have
    'app.kubernetes.io/version': version.replace(/[^\w.-]/g, '_'),
    'app.kubernetes.io/part-of': 'imgctl',
  };
}

/** DaemonSet of apps/v1: an agent on every node, with what it needs of the node and nothing else. */
export function daemonSet(settings: ManifestSettings) {
  const { namespace, version } = settings;
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: agentName, namespace, labels: labelsOf(version) },
    spec: {
      selector: { matchLabels: selector },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } },
      template: { metadata: { labels: labelsOf(version) }, spec: podSpec(settings) },
    },
  };
}

function podSpec(settings: ManifestSettings) {
  return {
    // The node's own address is the agent's, whatever network the cluster has or lacks
    hostNetwork: true,
    // The node's resolver: the cluster's may be among what waits for images
    dnsPolicy: 'Default',
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    // Nodes that are not ready, cordoned, full or reserved get images too: often that is what they wait for
    tolerations: [{ operator: 'Exists' }],
    priorityClassName: 'system-node-critical',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // The agent lets transfers finish for 30 s
    terminationGracePeriodSeconds: 40,
    securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    containers: [container(settings)],
    volumes: [
      { name: 'containerd', hostPath: { path: dirname(settings.socket), type: 'Directory' } },
      { name: 'data', hostPath: { path: dataDirectory, type: 'DirectoryOrCreate' } },
      { name: 'credentials', secret: { secretName, defaultMode: 0o400 } },
      ...nodeDirectories(settings).map(volumeOf),
    ],
  };
}

function container(settings: ManifestSettings) {
  const { image, imagePullPolicy, socket } = settings;
  return {
    name: 'agent',
    image,
    imagePullPolicy,
    args: args(settings),
    env: [fromField('NODE_NAME', 'spec.nodeName'), fromField('HOST_IP', 'status.hostIP')],
    ports: [{ name: 'https', containerPort: settings.port, hostPort: settings.port, protocol: 'TCP' }],
    livenessProbe: {
      ...probe(settings, '/healthz'),
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    readinessProbe: {
      ...probe(settings, '/readyz'),
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    resources: {
      requests: { cpu: '50m', memory: '96Mi' },
      // Images are never held in memory, whatever their size; the processor is theirs who import
      limits: { memory: '512Mi' },
    },
    securityContext: {
      // containerd's socket is root's. Root without a capability is its owner, and nothing more
      runAsUser: 0,
      runAsGroup: 0,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      // Where SELinux is enforced a confined container may not connect to containerd; elsewhere it means nothing
      seLinuxOptions: { type: 'spc_t' },
    },
    volumeMounts: [
      { name: 'containerd', mountPath: dirname(socket), readOnly: true },
      { name: 'data', mountPath: dataDirectory },
      { name: 'credentials', mountPath: configDirectory, readOnly: true },
      ...nodeDirectories(settings).map(mountOf),
    ],
  };
}

function args(settings: ManifestSettings): string[] {
  const { listen, socket, mutualTls, probePort, maxRate, imagesDir, registries } = settings;
  return [
    ...['agent', 'run', `--listen=${listen}`, '--name=$(NODE_NAME)'],
    ...[`--store=containerd:${socket}`, `--data-dir=${dataDirectory}`],
    ...[`--tls-cert=${configDirectory}/agent.crt`, `--tls-key=${configDirectory}/agent.key`],
    ...[`--ca-file=${configDirectory}/ca.crt`, `--token-file=${configDirectory}/token`],
    ...(mutualTls ? [`--client-ca=${configDirectory}/ca.crt`, `--probe-listen=127.0.0.1:${probePort}`] : []),
    ...(maxRate === undefined ? [] : [`--max-rate=${maxRate}`]),
    ...(imagesDir === undefined ? [] : imagesArgs(imagesDir)),
    ...(registries === undefined ? [] : [registriesArg(registries)]),
  ];
}

function registriesArg(registries: PodRegistries): string {
  return 'hostsDir' in registries
    ? `--hosts-dir=${registries.hostsDir}`
    : `--registries=${configDirectory}/${registriesFile}`;
}

function imagesArgs({ path, concurrency, prune, verifyKey }: ImagesDirSettings): string[] {
  return [
    `--images-dir=${path}`,
    ...(concurrency === undefined ? [] : [`--images-dir-concurrency=${concurrency}`]),
    ...(prune ? ['--images-dir-prune'] : []),
    ...(verifyKey === undefined ? [] : [`--images-dir-verify-key=${verifyKey}`]),
  ];
}

interface NodeDirectory {
  readonly name: string;
  readonly path: string;
  readonly mountPropagation?: 'HostToContainer';
}

/** What the agent reads of the node, under the same paths. Nothing need be written there: it has its data directory. */
function nodeDirectories({ imagesDir, registries }: ManifestSettings): NodeDirectory[] {
  const directories: NodeDirectory[] = [];
  // What is mounted on the node below it, a USB stick or a share, is seen too
  if (imagesDir !== undefined)
    directories.push({ name: 'images', path: imagesDir.path, mountPropagation: 'HostToContainer' });
  if (registries !== undefined && 'hostsDir' in registries)
    directories.push({ name: 'hosts', path: registries.hostsDir });
  return directories;
}

function volumeOf({ name, path }: NodeDirectory) {
  return { name, hostPath: { path, type: 'DirectoryOrCreate' } };
}

function mountOf({ name, path, ...propagation }: NodeDirectory) {
  return { name, mountPath: path, readOnly: true, ...propagation };
}

/** The kubelet asks the node's address over HTTPS without verifying; it has no certificate to show. */
function probe({ mutualTls, port, probePort }: ManifestSettings, path: string) {
  return mutualTls
    ? { httpGet: { host: '127.0.0.1', port: probePort, path, scheme: 'HTTP' } }
    : { httpGet: { port, path, scheme: 'HTTPS' } };
}

function fromField(name: string, fieldPath: string) {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}
