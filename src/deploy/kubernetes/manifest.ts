import { Document, isNode } from 'yaml';
import { agentName, daemonSet, labelsOf, secretName } from './daemon-set.ts';
import { type ManifestSettings, registriesFile } from './settings.ts';

/** A file of the agent's credentials: a key of the Secret. */
export interface SecretFile {
  readonly name: string;
  readonly text: string;
}

/** Namespace, Secret and DaemonSet as YAML, in the order in which they have to be made. */
export function agentManifest(settings: ManifestSettings, credentials: readonly SecretFile[]): string {
  const documents = [namespaceOf(settings), secret(settings, credentials), explained(daemonSet(settings))];
  return documents
    .map((document) => (document instanceof Document ? document : new Document(document)))
    .map((document) => document.toString({ lineWidth: 0 }))
    .join('---\n');
}

/** Host network and host paths are what the pod security standards call privileged. */
function namespaceOf({ namespace, version }: ManifestSettings) {
  const policy = ['enforce', 'audit', 'warn'].map((mode) => [
    `pod-security.kubernetes.io/${mode}`,
    'privileged',
  ]);
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { ...labelsOf(version), ...Object.fromEntries(policy) } },
  };
}

function secret({ namespace, version, registries }: ManifestSettings, credentials: readonly SecretFile[]) {
  const files =
    registries !== undefined && 'text' in registries
      ? [...credentials, { name: registriesFile, text: registries.text }]
      : credentials;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { name: secretName, namespace, labels: labelsOf(version) },
    data: Object.fromEntries(files.map(({ name, text }) => [name, Buffer.from(text).toString('base64')])),
  };
}

/** What whoever reviews it would ask, said where it stands. */
function explained(object: ReturnType<typeof daemonSet>): Document {
  const document = new Document(object);
  const pod = ['spec', 'template', 'spec'];
  const say = (path: readonly (string | number)[], text: string) => {
    const node = document.getIn([...pod, ...path], true);
    if (isNode(node)) node.commentBefore = text;
  };
  say(['tolerations', 0], ' Nodes that are not ready or cordoned often wait for images.');
  say(
    ['volumes', 0],
    " The directory of containerd's socket, not the socket: containerd makes a new one when it restarts,\n" +
      ' and a file that is mounted would stay the old one.',
  );
  say(['containers', 0], ` ${agentName}: root for the sake of containerd's socket, without any capability.`);
  return document;
}
