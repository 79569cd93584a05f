import type { Reference } from './reference.ts';

/** What configuration says of registries, as plain values: the port between who reads it and who speaks to them. */

export interface EndpointTls {
  /** PEM, beside the authorities that this machine trusts. */
  readonly ca?: string | undefined;
  /** PEM: who this side is. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Takes any certificate: only where the configuration says so. */
  readonly skipVerify?: boolean | undefined;
}

/** One server that may have a repository. */
export interface RegistryEndpoint {
  /** The root of its API, with `/v2` or what stands in its place, without a slash at the end. */
  readonly url: string;
  /** The repository there: rewritten where the configuration says so. */
  readonly repository: string;
  /** `resolve`: it may say what a tag means; `pull`: it may give what is named by digest. */
  readonly capabilities: readonly ('resolve' | 'pull')[];
  /** What credentials are looked up by: `host[:port]/repository`. */
  readonly account: string;
  /** The registry that it stands in for. */
  readonly mirrorOf?: string | undefined;
  readonly tls?: EndpointTls | undefined;
  /** For this host alone: they may be credentials. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly connectTimeoutMs?: number | undefined;
}

/** Secrets: for requests, never for messages. */
export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** A refresh token (OAuth 2), which a token server takes. */
  | { readonly kind: 'identity'; readonly token: string }
  /** A token that the registry itself takes. */
  | { readonly kind: 'registry'; readonly token: string };

const hubHost = 'registry-1.docker.io';

/** `docker.io` is served by another host. */
export function hostOfRegistry(registry: string): string {
  return registry === 'docker.io' ? hubHost : registry;
}

/** The other way round: what a registry is called whose host is this. */
export function registryOfHost(host: string): string {
  return host === hubHost ? 'docker.io' : host;
}

/** Plain HTTP is spoken without being told to on this machine alone, on ports that are not of HTTPS. */
export function schemeOfHost(host: string): 'http' | 'https' {
  const [, name = '', port] = /^(.*?)(?::(\d+))?$/.exec(host) ?? [];
  return isLoopback(name) && port !== undefined && port !== '443' ? 'http' : 'https';
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** The registry's own endpoint, where nothing is configured. */
export function ownEndpoint({ registry, repository }: Reference): RegistryEndpoint {
  const host = hostOfRegistry(registry);
  return {
    url: `${schemeOfHost(host)}://${host}/v2`,
    repository,
    capabilities: ['resolve', 'pull'],
    account: `${registry}/${repository}`,
  };
}
