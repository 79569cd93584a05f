import type { Credential } from '../../image/registry-endpoint.ts';
import type { FoundDocument } from './credential-files.ts';
import { askHelper } from './credential-helper.ts';
import { matchingEntries } from './matching-entries.ts';

/** A credential that may fit, by what it is and where it stands; what it says is asked for when it is needed. */
export interface CredentialSource {
  readonly kind: Credential['kind'] | 'helper';
  readonly source: string;
  /** Undefined where a helper turns out to know none. */
  get(signal?: AbortSignal): Promise<Credential | undefined>;
}

export interface CredentialSearch {
  readonly env: Readonly<Record<string, string | undefined>>;
  onWarning(message: string): void;
}

/** All that documents have for a repository (`host[:port]/path`), in the order in which they are tried. */
export function credentialSources(
  documents: readonly FoundDocument[],
  repository: string,
  search: CredentialSearch,
): CredentialSource[] {
  return documents.flatMap(({ source, document: { entries, helpers, store } }) => {
    const registry = repository.split('/')[0] ?? '';
    const helper =
      [registry, ...(isHub(registry) ? hubNames : [])].map((name) => helpers.get(name)).find(Boolean) ??
      store;
    return [
      ...(helper === undefined ? [] : [fromHelper(helper, registry, source, search)]),
      ...matchingEntries(entries, repository).map(({ key, credential, source: own = source }) => ({
        kind: credential.kind,
        source: `${own} (${key})`,
        get: async () => credential,
      })),
    ];
  });
}

/** What Docker calls its own registry, in files and to helpers. */
const hubServer = 'https://index.docker.io/v1/';
const hubNames = [hubServer, 'index.docker.io'];

function isHub(registry: string): boolean {
  return registry === 'docker.io';
}

function fromHelper(
  name: string,
  registry: string,
  source: string,
  { env, onWarning }: CredentialSearch,
): CredentialSource {
  const server = isHub(registry) ? hubServer : registry;
  const onFailure = (why: string) => onWarning(`${source}: ${why}`);
  return {
    kind: 'helper',
    source: `${source} (docker-credential-${name})`,
    get: (signal) => askHelper(name, server, { env, signal, onFailure }),
  };
}
