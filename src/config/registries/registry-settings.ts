import type { Reference } from '../../image/reference.ts';
import type { Credential, RegistryEndpoint } from '../../image/registry-endpoint.ts';
import { credentialFiles, type FoundDocument } from '../credentials/credential-files.ts';
import { type CredentialSource, credentialSources } from '../credentials/credential-sources.ts';
import type { ConfiguredEndpoint } from './configured-endpoint.ts';
import { type RegistryHosts, withTls } from './registry-hosts.ts';

export interface RegistrySettingsOptions {
  readonly hosts: RegistryHosts;
  /** What comes before the files of this user and of the kubelet: pull secrets. */
  readonly documents?: readonly FoundDocument[] | undefined;
  /** For the places of files, and for credential helpers. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  onWarning(message: string): void;
}

/** All that is configured, as who speaks to registries wants it (`RegistrySettings` there). */
export interface ConfiguredRegistries {
  readonly hosts: RegistryHosts;
  /** Who one may be at an endpoint, in the order in which it is tried, without asking anybody. */
  sourcesOf(endpoint: ConfiguredEndpoint): Promise<readonly CredentialSource[]>;
  /** @throws ImgctlError `config_invalid` */
  endpointsOf(reference: Reference): Promise<readonly RegistryEndpoint[]>;
  credentialsOf(endpoint: RegistryEndpoint): Promise<readonly Credential[]>;
}

export function registrySettings(options: RegistrySettingsOptions): ConfiguredRegistries {
  const { hosts, documents = [], signal } = options;
  let files: Promise<readonly FoundDocument[]> | undefined;
  const configured = new WeakMap<RegistryEndpoint, ConfiguredEndpoint>();
  const known = new Map<string, Promise<Credential | undefined>>();

  async function sourcesOf({ auth, account }: ConfiguredEndpoint): Promise<readonly CredentialSource[]> {
    files ??= credentialFiles(options);
    const own =
      auth === undefined ? [] : [{ kind: auth.kind, source: hosts.origin ?? '', get: async () => auth }];
    return [...own, ...credentialSources([...documents, ...(await files)], account, options)];
  }

  /** A helper is a program, and asks a server perhaps: once for all images of a registry. */
  function once({ source, get }: CredentialSource, registry: string): Promise<Credential | undefined> {
    const key = `${registry} ${source}`;
    const credential = known.get(key) ?? get(signal);
    known.set(key, credential);
    return credential;
  }

  return {
    hosts,
    sourcesOf,
    async endpointsOf(reference) {
      const endpoints = await hosts.endpointsOf(reference);
      return Promise.all(
        endpoints.map(async (endpoint) => {
          const loaded = await withTls(endpoint);
          configured.set(loaded, endpoint);
          return loaded;
        }),
      );
    },
    async credentialsOf(endpoint) {
      const registry = endpoint.account.split('/')[0] ?? '';
      const sources = await sourcesOf(configured.get(endpoint) ?? endpoint);
      const credentials = await Promise.all(sources.map((source) => once(source, registry)));
      return credentials.flatMap((credential) => credential ?? []);
    },
  };
}
