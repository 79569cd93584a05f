import type { Reference } from '../../image/reference.ts';
import { hostOfRegistry, ownEndpoint } from '../../image/registry-endpoint.ts';
import type { ConfiguredEndpoint } from './configured-endpoint.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import type { HostSettings, RegistriesFile } from './registries-file.ts';
import { type Rewrite, rewrittenName } from './rewrite.ts';

/**
 * Where K3s's containerd would look for an image, in its order: the mirrors of its registry, or of `*` where that has
 * none, then the registry itself. Names are rewritten for mirrors alone.
 * @throws ImgctlError `config_invalid`: what a rewrite makes is no repository
 */
export function registriesEndpoints(file: RegistriesFile, reference: Reference): ConfiguredEndpoint[] {
  const entry = entryFor(file, reference.registry);
  const mirror = file.mirrors.get(entry);
  const listed = (mirror?.endpoints ?? []).map((address) =>
    mirrorEndpoint(file, reference, address, mirror?.rewrites ?? []),
  );
  const own = defaultEndpoint(file, reference);
  // Written as the last one it is the same, and may have rewrites
  return entry !== '*' && listed.at(-1)?.url === own.url ? listed : [...listed, own];
}

function mirrorEndpoint(
  file: RegistriesFile,
  reference: Reference,
  address: EndpointAddress,
  rewrites: readonly Rewrite[],
): ConfiguredEndpoint {
  const { registry, url } = address;
  const repository = rewrittenName(reference, rewrites, file.path);
  const isOther = registry !== reference.registry;
  return {
    url,
    repository,
    capabilities: ['resolve', 'pull'],
    account: `${registry}/${repository}`,
    ...(isOther ? { mirrorOf: reference.registry } : {}),
    ...settingsFor(hostSettings(file, registry)),
  };
}

function defaultEndpoint(file: RegistriesFile, reference: Reference): ConfiguredEndpoint {
  const { registry } = reference;
  const isAny = entryFor(file, registry) === '*';
  const settings = hostSettings(file, registry) ?? (isAny ? file.hosts.get('*') : undefined);
  const own = ownEndpoint(reference);
  // On this machine plain HTTP is a guess, which certificates contradict
  const url = settings?.tls === undefined ? own.url : own.url.replace(/^http:/, 'https:');
  return { ...own, url, ...settingsFor(settings) };
}

/** Its own entry, where that says anything: also settings alone keep the mirrors of `*` away. */
function entryFor({ mirrors, hosts }: RegistriesFile, registry: string): string {
  const { auth, tls } = hosts.get(registry) ?? {};
  const says = (mirrors.get(registry)?.endpoints.length ?? 0) > 0 || auth !== undefined || tls !== undefined;
  return says ? registry : '*';
}

/** Docker Hub's settings may stand under the name of the registry or of its host. */
function hostSettings({ hosts }: RegistriesFile, registry: string): HostSettings | undefined {
  return hosts.get(hostOfRegistry(registry)) ?? hosts.get(registry);
}

function settingsFor(settings: HostSettings | undefined): Pick<ConfiguredEndpoint, 'tlsFiles' | 'auth'> {
  return {
    ...(settings?.tls === undefined ? {} : { tlsFiles: settings.tls }),
    ...(settings?.auth === undefined ? {} : { auth: settings.auth }),
  };
}
