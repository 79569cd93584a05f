import type { Credential, RegistryEndpoint } from '../../image/registry-endpoint.ts';

/** TLS as configuration has it: files, which are read when the endpoint is spoken to. */
export interface TlsFiles {
  readonly ca: readonly string[];
  /** The second is missing where one file holds both. */
  readonly client?: readonly [cert: string, key?: string] | undefined;
  readonly skipVerify?: boolean | undefined;
}

/** An endpoint as it was configured, before any file beside the configuration is looked at. */
export interface ConfiguredEndpoint extends Omit<RegistryEndpoint, 'tls'> {
  readonly tlsFiles?: TlsFiles | undefined;
  /** What the same configuration says of who one is there. */
  readonly auth?: Credential | undefined;
}
