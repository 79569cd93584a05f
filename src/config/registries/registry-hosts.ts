import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { ImgctlError } from '../../errors.ts';
import type { Reference } from '../../image/reference.ts';
import { type EndpointTls, ownEndpoint, type RegistryEndpoint } from '../../image/registry-endpoint.ts';
import { readSmallFile } from '../../streams/read-small-file.ts';
import type { ConfiguredEndpoint, TlsFiles } from './configured-endpoint.ts';
import { hostsDirEndpoints } from './hosts-dir.ts';
import { registriesEndpoints } from './registries-endpoints.ts';
import { parseRegistriesFile, type RegistriesFile } from './registries-file.ts';

/** What is configured of registries, from whichever file or directory. */
export interface RegistryHosts {
  /** Where it stands; absent: nowhere, and every registry is asked itself. */
  readonly origin?: string | undefined;
  readonly warnings: readonly string[];
  /** Where an image is looked for, in this order. @throws ImgctlError `config_invalid` */
  endpointsOf(reference: Reference): Promise<readonly ConfiguredEndpoint[]>;
}

export interface RegistryPlaces {
  /** `--registries` */
  readonly registries?: string | undefined;
  /** `--hosts-dir` */
  readonly hostsDir?: string | undefined;
  /** Before every place that was not named. */
  readonly root?: string | undefined;
}

const registriesPlaces = ['/etc/rancher/k3s/registries.yaml', '/etc/rancher/rke2/registries.yaml'];
const hostsPlace = '/etc/containerd/certs.d';

/**
 * What was named, else what the machine has: K3s's file, RKE2's, containerd's directory.
 * @throws ImgctlError `config_invalid`, `usage` where both were named
 */
export async function registryHosts({
  registries,
  hostsDir,
  root = '',
}: RegistryPlaces): Promise<RegistryHosts> {
  refuseBoth({ registries, hostsDir });
  if (registries !== undefined) return fromFile(await loadRegistriesFile(registries));
  if (hostsDir !== undefined) {
    if ((await stat(hostsDir).catch(() => undefined))?.isDirectory()) return fromDirectory(hostsDir);
    throw notThere(hostsDir, 'it is no directory that can be read');
  }
  const found = await findRegistriesFile(root);
  if (found !== undefined) return fromFile(await loadRegistriesFile(found));
  const directory = `${root}${hostsPlace}`;
  if ((await stat(directory).catch(() => undefined))?.isDirectory()) return fromDirectory(directory);
  return { warnings: [], endpointsOf: async (reference) => [ownEndpoint(reference)] };
}

/** @throws ImgctlError `usage` */
export function refuseBoth({ registries, hostsDir }: RegistryPlaces): void {
  if (registries === undefined || hostsDir === undefined) return;
  throw new ImgctlError('usage', '--registries and --hosts-dir say the same thing in two ways', {
    hint: 'Give one of them.',
  });
}

/** The file that was named, else K3s's or RKE2's. @throws ImgctlError `config_invalid` */
export async function loadRegistriesFile(named: string | undefined, root = ''): Promise<RegistriesFile> {
  const path = named ?? (await findRegistriesFile(root));
  if (path !== undefined) return parseRegistriesFile(await readNamed(path), path);
  throw new ImgctlError('config_invalid', 'there is no registries.yaml on this machine', {
    hint: 'Name one: --registries FILE.',
  });
}

async function findRegistriesFile(root: string): Promise<string | undefined> {
  for (const place of registriesPlaces.map((place) => `${root}${place}`))
    if ((await stat(place).catch(() => undefined)) !== undefined) return place;
  return undefined;
}

function fromFile(file: RegistriesFile): RegistryHosts {
  return {
    origin: file.path,
    warnings: file.warnings,
    endpointsOf: async (reference) => registriesEndpoints(file, reference),
  };
}

function fromDirectory(path: string): RegistryHosts {
  return { origin: path, warnings: [], endpointsOf: (reference) => hostsDirEndpoints(path, reference) };
}

/** The endpoint with what its files hold. @throws ImgctlError `config_invalid`: a file is missing or unreadable */
export async function withTls(endpoint: ConfiguredEndpoint): Promise<RegistryEndpoint> {
  const { tlsFiles, auth: _, ...plain } = endpoint;
  return tlsFiles === undefined ? plain : { ...plain, tls: await readTls(tlsFiles) };
}

async function readTls({ ca, client, skipVerify }: TlsFiles): Promise<EndpointTls> {
  const read = (path: string | undefined) => (path === undefined ? undefined : readNamed(path));
  const [cert, key] = await Promise.all([read(client?.[0]), read(client?.[1])]);
  const authorities = await Promise.all(ca.map(readNamed));
  for (const [i, text] of authorities.entries())
    mustWork(ca[i], 'it holds no certificate', () => new X509Certificate(text));
  mustWork(client?.[0], 'it is no certificate, or what should be its key is none of it', () =>
    createSecureContext({ cert, key: key ?? cert }),
  );
  return { ca: authorities.length === 0 ? undefined : authorities.join('\n'), cert, key, skipVerify };
}

/** What does not is told here, where its name is known; the library takes some of it in silence. */
function mustWork(path: string | undefined, why: string, use: () => unknown): void {
  if (path === undefined) return;
  try {
    use();
  } catch {
    throw notThere(path, why);
  }
}

/** @throws ImgctlError `config_invalid` */
export async function readNamed(path: string): Promise<string> {
  try {
    return await readSmallFile(path);
  } catch (cause) {
    throw notThere(path, 'it cannot be read', cause);
  }
}

function notThere(path: string, why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('config_invalid', `${path}: ${why}`, {
    hint: 'Check the path, and that this user may read it.',
    context: { path },
    cause,
  });
}
