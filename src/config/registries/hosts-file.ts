import { dirname, resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import * as z from 'zod';
import { ImgctlError } from '../../errors.ts';
import type { TlsFiles } from './configured-endpoint.ts';
import { type Rewrite, rewritten } from './rewrite.ts';

/** One server of a hosts.toml (containerd, docs/hosts.md). */
export interface HostEntry {
  /** Absent: the registry's own. */
  readonly server?: { readonly host: string; readonly url: string } | undefined;
  readonly capabilities: readonly ('resolve' | 'pull')[];
  readonly tlsFiles?: TlsFiles | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /** Of K3s's containerd alone: what names become there. */
  readonly rewrites?: readonly Rewrite[] | undefined;
}

const strings = z.union([z.string().transform((one) => [one]), z.array(z.string()).max(64)]);
const pair = z.union([z.string().transform((file) => [file]), z.tuple([z.string(), z.string()])]);
const entryShape = {
  capabilities: z.array(z.string()).max(16).optional(),
  ca: strings.optional(),
  client: z.union([z.string().transform((file) => [[file]]), z.array(pair).max(64)]).optional(),
  skip_verify: z.boolean().optional(),
  header: z.record(z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,128}$/), strings).optional(),
  override_path: z.boolean().optional(),
  dial_timeout: z.string().optional(),
  rewrite: z.record(z.string(), z.string()).optional(),
};
const entrySchema = z.object(entryShape);
const fileSchema = z.object({
  ...entryShape,
  server: z.string().optional(),
  host: z.record(z.string(), entrySchema).optional(),
});
type Entry = z.infer<typeof entrySchema>;

/** Its servers in the order in which they are tried: the hosts as they are written, then `server`. @throws ImgctlError `config_invalid` */
export function parseHostsFile(content: string, path: string): HostEntry[] {
  const parsed = fileSchema.safeParse(toml(content, path));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(path, `${issue?.path.join('.') || 'it'} cannot be that`);
  }
  const { server, host = {}, ...root } = parsed.data;
  const hosts = Object.entries(host).map(([address, entry]) => hostEntry(address, entry, path));
  return [...hosts, hostEntry(server ?? '', root, path)];
}

function toml(content: string, path: string): unknown {
  try {
    return parse(content);
  } catch (error) {
    const place = error instanceof TomlError ? `${path}:${error.line}:${error.column}` : path;
    // The parser quotes the lines around: a header among them may be a secret
    throw invalid(place, 'it is not TOML there');
  }
}

function hostEntry(address: string, entry: Entry, path: string): HostEntry {
  const { capabilities = [], header, dial_timeout, rewrite } = entry;
  const wanted = capabilities.map((capability) => capability.toLowerCase());
  const strange = wanted.find((capability) => !['pull', 'resolve', 'push', 'referrers'].includes(capability));
  if (strange !== undefined) throw invalid(path, 'capabilities are pull, resolve, push and referrers');
  // As containerd: of a registry without a server of its own, they are not asked for
  const all = wanted.length === 0 || address === '';
  const rewrites = Object.entries(rewrite ?? {}).map(([pattern, replacement]) => ({ pattern, replacement }));
  if (rewrites.some((one) => !isRewrite(one))) throw invalid(path, 'a rewrite is no regular expression');
  const tlsFiles = tlsOf(entry, dirname(path));
  const headers = Object.entries(header ?? {}).map(([name, values]) => [
    name.toLowerCase(),
    values.join(', '),
  ]);
  if (headers.some(([, value = '']) => !/^[\t -~\x80-\xff]*$/.test(value)))
    throw invalid(path, 'a header cannot be that');
  return {
    ...(address === '' ? {} : { server: serverOf(address, entry.override_path === true, path) }),
    capabilities: (['resolve', 'pull'] as const).filter((one) => all || wanted.includes(one)),
    ...(tlsFiles === undefined ? {} : { tlsFiles }),
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(dial_timeout === undefined ? {} : { connectTimeoutMs: goDuration(dial_timeout, path) }),
    ...(rewrites.length === 0 || address === '' ? {} : { rewrites }),
  };
}

function isRewrite(rewrite: Rewrite): boolean {
  try {
    rewritten('', [rewrite]);
    return true;
  } catch {
    return false;
  }
}

/** Its path has `/v2` at its end, unless `override_path` says that it stands in its place. */
function serverOf(address: string, overridePath: boolean, path: string) {
  const text = address.startsWith('http') ? address : `https://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url === undefined || !isWeb || url.username !== '' || url.password !== '' || url.search !== '')
    throw invalid(path, 'a host is no address of a server');
  const clean = url.pathname.replace(/\/+/g, '/').replace(/\/$/, '');
  const root = overridePath || clean.endsWith('/v2') ? clean : `${clean}/v2`;
  return { host: text.replace(/^https?:\/\//, '').replace(/\/.*$/s, ''), url: `${url.origin}${root}` };
}

function tlsOf({ ca, client, skip_verify: skipVerify }: Entry, directory: string): TlsFiles | undefined {
  if (ca === undefined && client === undefined && skipVerify === undefined) return undefined;
  const here = (file: string) => resolve(directory, file);
  const [cert, key] = client?.[0] ?? [];
  return {
    ca: (ca ?? []).map(here),
    ...(cert ? { client: key ? [here(cert), here(key)] : [here(cert)] } : {}),
    ...(skipVerify ? { skipVerify } : {}),
  };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function goDuration(text: string, path: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  const ms = parts.reduce((sum, [, number, unit]) => sum + Number(number) * (unitMs[unit ?? ''] ?? 0), 0);
  if (parts.map(([part]) => part).join('') !== text || !(ms >= 1 && ms <= 3_600_000))
    throw invalid(path, 'dial_timeout is no time such as 10s');
  return Math.round(ms);
}

function invalid(path: string, what: string): ImgctlError {
  return new ImgctlError('config_invalid', `${path}: ${what}`, {
    hint: "See containerd's documentation of registry hosts (docs/hosts.md).",
    context: { path },
  });
}
