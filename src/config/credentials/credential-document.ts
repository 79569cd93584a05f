import * as z from 'zod';
import type { Credential } from '../../image/registry-endpoint.ts';

/** What a file or a secret says of who one is to registries: Docker's config.json, or the older .dockercfg. */
export interface CredentialDocument {
  /** In the order in which they match: see `matchingEntries`. */
  readonly entries: readonly CredentialEntry[];
  /** Names of programs, by registry. */
  readonly helpers: ReadonlyMap<string, string>;
  /** The program for all other registries. */
  readonly store?: string | undefined;
}

export interface CredentialEntry {
  /** A host, with globs in it perhaps, and the beginning of a path: `*.example.com/team`. */
  readonly key: string;
  readonly credential: Credential;
  /** Where it stands, where the document is made of several. */
  readonly source?: string | undefined;
}

const text = z.string().nullish();
const authSchema = z.object({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
});
const authsSchema = z.record(z.string(), z.unknown());
const configSchema = z.object({
  auths: authsSchema.nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: text,
});

/** `kind`: whether the entries stand below `auths`. Undefined for what is no such document. */
export function parseCredentialDocument(
  content: string,
  kind: 'config.json' | 'dockercfg',
): CredentialDocument | undefined {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    return undefined;
  }
  if (kind === 'dockercfg') {
    const auths = authsSchema.safeParse(json);
    return auths.success ? { entries: entriesOf(auths.data), helpers: new Map() } : undefined;
  }
  const config = configSchema.safeParse(json);
  if (!config.success) return undefined;
  const { auths, credHelpers, credsStore } = config.data;
  return {
    entries: entriesOf(auths ?? {}),
    helpers: new Map(Object.entries(credHelpers ?? {})),
    store: credsStore || undefined,
  };
}

/** Reverse lexicographic, as the kubelet tries them. */
export function inOrder(entries: readonly CredentialEntry[]): readonly CredentialEntry[] {
  return entries.toSorted((a, b) => (a.key < b.key ? 1 : a.key > b.key ? -1 : 0));
}

/** Keys as the kubelet has them, in its order. One that says nothing, as beside a store, is none. */
function entriesOf(auths: Readonly<Record<string, unknown>>): readonly CredentialEntry[] {
  const entries = Object.entries(auths).flatMap(([key, value]) => {
    const parsed = authSchema.safeParse(value);
    return credentialsOf(parsed.data).map((credential) => ({ key: entryKey(key), credential }));
  });
  return inOrder(entries);
}

/** Without its scheme, and without the `/v1/` or `/v2/` that Docker writes. */
export function entryKey(text: string): string {
  const [, host = '', path = ''] = /^(?:https?:\/\/)?(?:[^/@]*@)?([^/]*)(.*)$/s.exec(text) ?? [];
  const rest = /^\/v[12]\//.test(path) ? path.slice(3) : path;
  return rest === '/' ? host : `${host}${rest}`;
}

function credentialsOf(auth: z.infer<typeof authSchema> | undefined): Credential[] {
  if (auth === undefined) return [];
  const { identitytoken, registrytoken } = auth;
  const [, said, pass = ''] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(auth.auth ?? '', 'base64').toString('utf8')) ?? [];
  const username = said || auth.username;
  const password = said ? pass : auth.password;
  return [
    ...(registrytoken ? [{ kind: 'registry', token: registrytoken } as const] : []),
    ...(identitytoken ? [{ kind: 'identity', token: identitytoken } as const] : []),
    ...(username && password
      ? [{ kind: 'password', username, password: password.replace(/\0+$/, '') } as const]
      : []),
  ];
}
