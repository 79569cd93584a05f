import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ImgctlError } from '../../errors.ts';
import type { Reference } from '../../image/reference.ts';
import { hostOfRegistry, ownEndpoint, registryOfHost } from '../../image/registry-endpoint.ts';
import { FileTooLargeError, readSmallFile } from '../../streams/read-small-file.ts';
import type { ConfiguredEndpoint, TlsFiles } from './configured-endpoint.ts';
import { type HostEntry, parseHostsFile } from './hosts-file.ts';
import { rewrittenName } from './rewrite.ts';

/** The name of a registry's folder, as containerd looks for it first: a colon is no letter of every file system. */
export function hostDirectory(registry: string): string {
  return registry.replace(/:(\d+)$/, '_$1_');
}

/**
 * Where containerd would look for an image, in its order, as its directory of hosts (`certs.d`) says. Read anew each
 * time, as containerd does.
 * @throws ImgctlError `config_invalid`
 */
export async function hostsDirEndpoints(root: string, reference: Reference): Promise<ConfiguredEndpoint[]> {
  const directory = await directoryOf(root, reference.registry);
  if (directory === undefined) return [ownEndpoint(reference)];
  const path = join(directory, 'hosts.toml');
  const content = await readIfThere(path);
  const entries = content
    ? parseHostsFile(content, path)
    : [{ capabilities: ['resolve', 'pull'] as const, tlsFiles: await dockerFiles(directory) }];
  return entries.map((entry) => endpointOf(entry, reference, path));
}

function endpointOf(entry: HostEntry, reference: Reference, path: string): ConfiguredEndpoint {
  const { server, rewrites = [], ...settings } = entry;
  const own = ownEndpoint(reference);
  if (server === undefined) {
    // On this machine plain HTTP is a guess, which certificates contradict
    const url = settings.tlsFiles === undefined ? own.url : own.url.replace(/^http:/, 'https:');
    return { ...own, ...settings, url };
  }
  const isOwn = server.host === hostOfRegistry(reference.registry);
  const repository = rewrittenName(reference, rewrites, path);
  return {
    ...settings,
    url: server.url,
    repository,
    account: `${registryOfHost(server.host)}/${repository}`,
    ...(isOwn ? {} : { mirrorOf: reference.registry }),
  };
}

async function directoryOf(root: string, registry: string): Promise<string | undefined> {
  for (const name of new Set([hostDirectory(registry), registry, '_default'])) {
    const path = join(root, name);
    const found = await stat(path).catch((cause: unknown) => {
      if (isAbsent(cause)) return undefined;
      throw unreadable(path, cause);
    });
    if (found?.isDirectory()) return path;
  }
  return undefined;
}

/** Docker's files: `*.crt` are authorities, `*.cert`, with its `*.key` or with it within, is who this side is. */
async function dockerFiles(directory: string): Promise<TlsFiles | undefined> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw unreadable(directory, cause);
  });
  const names = entries.flatMap((entry) => (entry.isDirectory() ? [] : entry.name)).toSorted();
  const ca = names.filter((name) => name.endsWith('.crt')).map((name) => join(directory, name));
  const cert = names.find((name) => name.endsWith('.cert'));
  if (cert === undefined) return ca.length === 0 ? undefined : { ca };
  const key = `${cert.slice(0, -5)}.key`;
  return {
    ca,
    client: names.includes(key) ? [join(directory, cert), join(directory, key)] : [join(directory, cert)],
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readSmallFile(path);
  } catch (cause) {
    if (isAbsent(cause)) return undefined;
    throw unreadable(path, cause);
  }
}

function isAbsent(thrown: unknown): boolean {
  return (
    thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR')
  );
}

function unreadable(path: string, cause: unknown): ImgctlError {
  const why = cause instanceof FileTooLargeError ? 'it is too large' : 'it cannot be read';
  return new ImgctlError('config_invalid', `${path}: ${why}`, {
    hint: 'Make it readable for this user, or name another directory with --hosts-dir.',
    context: { path },
    cause,
  });
}
