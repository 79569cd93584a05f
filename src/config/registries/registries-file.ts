import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { type ImgctlError, printable } from '../../errors.ts';
import { isRegistry } from '../../image/reference.ts';
import type { Credential } from '../../image/registry-endpoint.ts';
import { type ConfigDocument, parseConfigDocument, problemError, writtenValue } from '../config-document.ts';
import type { TlsFiles } from './configured-endpoint.ts';
import { type EndpointAddress, endpointAddress } from './endpoint-address.ts';
import { type Rewrite, rewritten } from './rewrite.ts';

/** A registries.yaml, as K3s and RKE2 have it. */
export interface RegistriesFile {
  readonly path: string;
  /** By registry; `*` stands for all that have none of their own. */
  readonly mirrors: ReadonlyMap<string, Mirror>;
  /** By the host of a server. */
  readonly hosts: ReadonlyMap<string, HostSettings>;
  /** What is passed over, as K3s does: in words. */
  readonly warnings: readonly string[];
}

export interface Mirror {
  readonly endpoints: readonly EndpointAddress[];
  readonly rewrites: readonly Rewrite[];
}

export interface HostSettings {
  readonly auth?: Credential | undefined;
  readonly tls?: TlsFiles | undefined;
}

const text = z.string().nullish();
/** As YAML 1.1 has it. */
const flag = z
  .string()
  .regex(/^(?:y|yes|true|on|n|no|false|off)$/i)
  .transform((word) => /^(?:y|yes|true|on)$/i.test(word));
const fileSchema = z.object({
  mirrors: z
    .record(
      z.string(),
      z
        .object({
          endpoint: z.array(z.string()).max(256).nullish(),
          rewrite: z.record(z.string(), z.string()).nullish(),
        })
        .nullish(),
    )
    .nullish(),
  configs: z
    .record(
      z.string(),
      z
        .object({
          auth: z.object({ username: text, password: text, auth: text, identity_token: text }).nullish(),
          tls: z
            .object({
              ca_file: text,
              cert_file: text,
              key_file: text,
              insecure_skip_verify: flag.nullish(),
            })
            .nullish(),
        })
        .nullish(),
    )
    .nullish(),
});
type File = z.infer<typeof fileSchema>;
type Configs = NonNullable<NonNullable<File['configs']>[string]>;

/** @throws ImgctlError `config_invalid`, with the place in the file */
export function parseRegistriesFile(content: string, path: string): RegistriesFile {
  const document = parseConfigDocument(content, path);
  const parsed = fileSchema.safeParse(writtenValue(document) ?? {});
  if (!parsed.success) throw shapeError(document, parsed.error.issues);
  const warnings: string[] = [];
  const mirrors = new Map(
    Object.entries(parsed.data.mirrors ?? {}).map(([registry, mirror]) => [
      registry,
      {
        endpoints: endpointsOf(registry, mirror?.endpoint ?? [], warnings),
        rewrites: rewritesOf(document, registry, mirror?.rewrite ?? {}),
      },
    ]),
  );
  warnings.push(...misplaced(parsed.data));
  const hosts = new Map(
    Object.entries(parsed.data.configs ?? {}).map(([host, settings]) => [
      host,
      { auth: credentialOf(settings?.auth), tls: tlsOf(settings?.tls, dirname(path)) },
    ]),
  );
  return { path, mirrors, hosts, warnings };
}

/** What K3s passes over without a word. */
function misplaced({ mirrors, configs }: File): string[] {
  const registries = Object.keys(mirrors ?? {}).filter((name) => name !== '*' && !isRegistry(name));
  const servers = Object.keys(configs ?? {}).filter(
    (name) => name !== '*' && endpointAddress(name)?.isHost !== true,
  );
  const undecodable = Object.entries(configs ?? {}).filter(
    ([, settings]) => settings?.auth?.auth && credentialOf(settings.auth) === undefined,
  );
  return [
    ...registries.map((name) => `mirrors.${printable(name)}: no image is named so: write HOST or HOST:PORT`),
    ...servers.map((name) => `configs.${printable(name)}: no server is named so: write HOST or HOST:PORT`),
    ...undecodable.map(
      ([name]) =>
        `configs.${printable(name)}.auth.auth: it is no name and password in base64, and passed over`,
    ),
  ];
}

function endpointsOf(
  registry: string,
  entries: readonly string[],
  warnings: string[],
): readonly EndpointAddress[] {
  const seen = new Map<string, EndpointAddress>();
  for (const entry of entries) {
    const address = endpointAddress(entry);
    if (address === undefined)
      warnings.push(`mirrors.${registry}: an endpoint is no address, and passed over`);
    else if (seen.has(address.url)) warnings.push(`mirrors.${registry}: ${address.url} is there twice`);
    else seen.set(address.url, address);
  }
  return [...seen.values()];
}

function rewritesOf(
  document: ConfigDocument,
  registry: string,
  rewrites: Readonly<Record<string, string>>,
): readonly Rewrite[] {
  return Object.entries(rewrites).map(([pattern, replacement]) => {
    try {
      rewritten('', [{ pattern, replacement }]);
    } catch {
      throw problemError(document, {
        at: ['mirrors', registry, 'rewrite', pattern],
        what: 'is not a regular expression',
        hint: 'Write it as Go has them (RE2): for example "^library/(.*)": "mirror/$1".',
        ofKey: true,
      });
    }
    return { pattern, replacement };
  });
}

function credentialOf(auth: Configs['auth']): Credential | undefined {
  if (auth?.username) return { kind: 'password', username: auth.username, password: auth.password ?? '' };
  if (auth?.identity_token) return { kind: 'identity', token: auth.identity_token };
  const [, username, password = ''] = /^([^:]*):(.*)$/s.exec(decoded(auth?.auth ?? '')) ?? [];
  return username ? { kind: 'password', username, password: password.replace(/\0+$/, '') } : undefined;
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function tlsOf(tls: Configs['tls'], directory: string): TlsFiles | undefined {
  if (!tls) return undefined;
  const { ca_file: ca, cert_file: cert, key_file: key, insecure_skip_verify: skipVerify } = tls;
  const here = (file: string) => resolve(directory, file);
  return {
    ca: ca ? [here(ca)] : [],
    ...(cert ? { client: key ? [here(cert), here(key)] : [here(cert)] } : {}),
    ...(skipVerify ? { skipVerify } : {}),
  };
}

function shapeError(document: ConfigDocument, issues: readonly z.core.$ZodIssue[]): ImgctlError {
  const [issue] = issues;
  return problemError(document, {
    at: issue?.path ?? [],
    // Never the value: it may be a password
    what: 'cannot be that',
    hint: 'mirrors.HOST has endpoint (a list) and rewrite, configs.HOST has auth and tls: see the documentation of K3s.',
  });
}
