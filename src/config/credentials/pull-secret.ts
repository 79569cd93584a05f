import { ImgctlError } from '../../errors.ts';
import { inOrder, parseCredentialDocument } from './credential-document.ts';
import type { FoundDocument } from './credential-files.ts';
import type { PullSecretName } from './pull-secret-name.ts';

/**
 * What a secret of type `kubernetes.io/dockerconfigjson`, or `kubernetes.io/dockercfg`, says. Programs that it names
 * are not run: who writes secrets does not say what runs here.
 * @throws ImgctlError `config_invalid` for a secret of another kind
 */
export function pullSecretDocument(
  { namespace, name }: PullSecretName,
  { type, data }: { readonly type: string; readonly data: ReadonlyMap<string, string> },
): FoundDocument {
  const old = type === 'kubernetes.io/dockercfg';
  const content = data.get(old ? '.dockercfg' : '.dockerconfigjson');
  const document =
    content === undefined ? undefined : parseCredentialDocument(content, old ? 'dockercfg' : 'config.json');
  const source = `secret ${namespace}/${name}`;
  if (document !== undefined) return { source, document: { entries: document.entries, helpers: new Map() } };
  throw new ImgctlError('config_invalid', `the ${source} is no login for a registry`, {
    hint: 'kubectl create secret docker-registry makes one.',
    context: { secret: `${namespace}/${name}` },
  });
}

/** Several as the kubelet takes them: as one, in which the order of their entries is that of all. */
export function mergedSecrets(secrets: readonly FoundDocument[]): FoundDocument[] {
  if (secrets.length < 2) return [...secrets];
  const entries = secrets.flatMap(({ source, document }) =>
    document.entries.map((entry) => ({ ...entry, source })),
  );
  return [{ source: 'pull secrets', document: { entries: inOrder(entries), helpers: new Map() } }];
}
