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
 * Docker's files of this user, then those that the kubelet looks for, each that is there. Not the working directory's,
 * where the kubelet looks too: a command is run in directories of others.
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
  for (const path of places) {
    // One that is not there, or not for this user to read, is none
    const content = await readSmallFile(path).catch(() => undefined);
    if (content === undefined) continue;
    const document = parseCredentialDocument(content, path.endsWith('.json') ? 'config.json' : 'dockercfg');
    if (document === undefined) onWarning(`${path} is passed over: it holds no credentials that can be read`);
    else found.push({ source: path, document });
  }
  return found;
}
