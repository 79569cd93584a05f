import { join } from 'node:path';
import { readSmallFile } from '../../streams/read-small-file.ts';
import { type CredentialDocument, parseCredentialDocument } from './credential-document.ts';

export interface FoundDocument {
  /** Where it stands, for people. */
  readonly source: string;
  readonly document: CredentialDocument;
}

export interface CredentialPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Before every place that is not the user's. */
  readonly root?: string | undefined;
  onWarning(message: string): void;
}

/**
 * What Docker finds in the environment (`DOCKER_AUTH_CONFIG`), then its files of this user, then those that the kubelet
 * looks for, each that is there. Not the working directory's, where the kubelet looks too: a command is run in
 * directories of others.
 */
export async function credentialFiles({
  env,
  root = '',
  onWarning,
}: CredentialPlaces): Promise<FoundDocument[]> {
  const { DOCKER_CONFIG, HOME } = env;
  const own = DOCKER_CONFIG || (HOME ? join(HOME, '.docker') : undefined);
  const places = new Set([
    ...(own === undefined ? [] : [join(own, 'config.json')]),
    `${root}/var/lib/kubelet/config.json`,
    `${root}/.docker/config.json`,
    ...(HOME ? [join(HOME, '.dockercfg')] : []),
    `${root}/var/lib/kubelet/.dockercfg`,
    `${root}/.dockercfg`,
  ]);
  const found: FoundDocument[] = [];
  const take = (source: string, content: string, kind: 'config.json' | 'dockercfg') => {
    const document = parseCredentialDocument(content, kind);
    if (document === undefined)
      onWarning(`${source} is passed over: it holds no credentials that can be read`);
    else found.push({ source, document });
  };
  if (env.DOCKER_AUTH_CONFIG) take('DOCKER_AUTH_CONFIG', env.DOCKER_AUTH_CONFIG, 'config.json');
  for (const path of places) {
    // One that is not there, or not for this user to read, is none
    const content = await readSmallFile(path).catch(() => undefined);
    if (content !== undefined) take(path, content, path.endsWith('.json') ? 'config.json' : 'dockercfg');
  }
  return found;
}
