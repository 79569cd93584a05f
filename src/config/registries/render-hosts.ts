import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'smol-toml';
import { ImgctlError } from '../../errors.ts';
import { isRegistry, parseReference } from '../../image/reference.ts';
import { readSmallFile } from '../../streams/read-small-file.ts';
import type { ConfiguredEndpoint, TlsFiles } from './configured-endpoint.ts';
import { hostDirectory } from './hosts-dir.ts';
import { registriesEndpoints } from './registries-endpoints.ts';
import type { RegistriesFile } from './registries-file.ts';

/** The first line of files that may be replaced: others are somebody else's. */
const header = '# Written by imgctl from registries.yaml: changes are lost.';

export interface RenderedHosts {
  /** Below the directory: `docker.io/hosts.toml`. */
  readonly name: string;
  readonly content: string;
}

/** A hosts.toml for each registry that something is configured for. */
export function renderHosts(file: RegistriesFile): RenderedHosts[] {
  const registries = new Set([...file.mirrors.keys(), ...file.hosts.keys()]);
  return [...registries].flatMap((registry) => {
    const isAny = registry === '*';
    if (!isAny && !isRegistry(registry)) return [];
    const name = isAny ? 'any.invalid' : registry;
    const endpoints = registriesEndpoints(file, parseReference(`${name}/x`));
    const own = endpoints.at(-1);
    const mirrors = endpoints.slice(0, -1);
    // Without a file of its own it would have the mirrors of all others
    const isKept = file.mirrors.has('*') && own?.auth !== undefined;
    if (own === undefined || (mirrors.length === 0 && own.tlsFiles === undefined && !isKept)) return [];
    const rewrites = file.mirrors.get(registry)?.rewrites ?? [];
    const document = {
      ...(isAny ? {} : { server: own.url }),
      ...tlsTable(own.tlsFiles),
      ...(mirrors.length === 0
        ? {}
        : { host: Object.fromEntries(mirrors.map((mirror) => [mirror.url, hostTable(mirror, rewrites)])) }),
    };
    return [
      {
        name: join(isAny ? '_default' : hostDirectory(registry), 'hosts.toml'),
        content: `${header}\n\n${stringify(document)}\n`,
      },
    ];
  });
}

function hostTable(
  { url, tlsFiles }: ConfiguredEndpoint,
  rewrites: readonly { readonly pattern: string; readonly replacement: string }[],
) {
  return {
    capabilities: ['pull', 'resolve'],
    ...(url.endsWith('/v2') ? {} : { override_path: true }),
    ...tlsTable(tlsFiles),
    ...(rewrites.length === 0
      ? {}
      : { rewrite: Object.fromEntries(rewrites.map(({ pattern, replacement }) => [pattern, replacement])) }),
  };
}

function tlsTable(tls: TlsFiles | undefined) {
  const [cert, key] = tls?.client ?? [];
  return {
    ...(tls === undefined || tls.ca.length === 0 ? {} : { ca: [...tls.ca] }),
    ...(cert === undefined ? {} : { client: [key === undefined ? cert : [cert, key]] }),
    ...(tls?.skipVerify ? { skip_verify: true } : {}),
  };
}

/**
 * Writes them below a directory, each whole or not at all, and removes those that were written for what is configured no
 * more. Answers their paths. @throws ImgctlError `config_invalid` where one is there that somebody else has written
 */
export async function writeHosts(directory: string, rendered: readonly RenderedHosts[]): Promise<string[]> {
  for (const { name } of rendered) {
    const path = join(directory, name);
    if ((await isOurs(path)) !== false) continue;
    throw new ImgctlError('config_invalid', `${path} is there, and was not written by imgctl`, {
      hint: 'Move it away, or name another directory with --to.',
      context: { path },
    });
  }
  const written: string[] = [];
  for (const { name, content } of rendered) {
    const path = join(directory, name);
    written.push(path);
    if (await has(path, content)) continue;
    await replaceFile(path, content);
  }
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const path = join(directory, entry.name, 'hosts.toml');
    if (!entry.isDirectory() || written.includes(path) || !(await isOurs(path))) continue;
    await rm(path);
    // An empty one would keep what stands for all others from its registry
    await rmdir(join(directory, entry.name)).catch(() => undefined);
  }
  return written;
}

/** @throws ImgctlError `usage` */
async function replaceFile(path: string, content: string): Promise<void> {
  try {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(`${path}.new`, content, { mode: 0o644 });
    await rename(`${path}.new`, path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ImgctlError('usage', `${path} cannot be written: ${why}`, {
      hint: 'Name a directory that you may write to: --to DIR.',
      cause,
    });
  }
}

async function has(path: string, content: string): Promise<boolean> {
  return (await readSmallFile(path).catch(() => undefined)) === content;
}

/** Undefined where there is none. */
async function isOurs(path: string): Promise<boolean | undefined> {
  try {
    return (await readSmallFile(path)).startsWith(header);
  } catch (error) {
    return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
      ? undefined
      : false;
  }
}
