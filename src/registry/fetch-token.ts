import * as z from 'zod';
import { type Credential, type EndpointTls, isLoopback } from '../image/registry-endpoint.ts';
import type { Challenge } from './challenge.ts';
import { type Followed, followRedirects } from './follow-redirects.ts';
import { leave, readBounded } from './read-bounded.ts';
import { connectionError, protocolError, tokenServerError } from './registry-errors.ts';
import { retryAfterMs } from './retry-after.ts';
import type { Answer, Transport } from './transport.ts';

/** Token servers, as the distribution project's documents on token and OAuth 2 authentication have them. */

export interface Token {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface TokenRequest {
  readonly transport: Transport;
  readonly challenge: Challenge;
  /** Who wants it: its address, and how its certificate is verified. */
  readonly registry: URL;
  readonly tls?: EndpointTls | undefined;
  readonly scope: string;
  /** Absent: nobody in particular. */
  readonly credential?: Credential | undefined;
  readonly signal?: AbortSignal | undefined;
}

const maxTokenBytes = 256 * 1024;
/** Where the server does not say, a token lasts a minute. */
const defaultSeconds = 60;
const maxSeconds = 24 * 3600;

const tokenSchema = z.object({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  expires_in: z.number().nullish(),
});

/** Undefined where the server does not take the credential. @throws ImgctlError `registry_failed`, `registry_unreachable` */
export async function fetchToken(wanted: TokenRequest): Promise<Token | undefined> {
  const realm = realmOf(wanted);
  const now = Date.now();
  const { answer, by = realm.host } = await ask(realm, wanted);
  if (answer.statusCode >= 400 && answer.statusCode < 500 && answer.statusCode !== 429) {
    await leave(answer);
    return undefined;
  }
  try {
    return await readToken(answer, by, now);
  } catch (error) {
    throw connectionError(error, realm, wanted.signal);
  }
}

/** What is posted holds a secret, so it is led nowhere; where else one is led with a password, that stays behind. */
async function ask(realm: URL, wanted: TokenRequest): Promise<Followed> {
  const { transport, credential, signal } = wanted;
  if (credential?.kind === 'identity') {
    const tls = tlsFor(realm, wanted);
    return { answer: await transport.request(realm, { ...refresh(wanted, credential.token), tls, signal }) };
  }
  return followRedirects(transport, withScope(realm, wanted), {
    asked: (url, isOwn) => ({ headers: isOwn ? basic(credential) : {}, tls: tlsFor(url, wanted), signal }),
    allows: (url) => isSafe(url, wanted.registry),
  });
}

/** No credential goes where anybody on the way could read it, unless the registry itself is spoken to so. */
function realmOf({ challenge, registry }: TokenRequest): URL {
  const { realm = '' } = challenge.parameters;
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || !isSafe(url, registry))
    throw protocolError(registry.host, 'it names no token server that can be trusted with a password');
  url.username = url.password = url.hash = '';
  return url;
}

function isSafe({ protocol, hostname }: URL, registry: URL): boolean {
  const plainToo = registry.protocol === 'http:' && (hostname === registry.hostname || isLoopback(hostname));
  return protocol === 'https:' || (protocol === 'http:' && plainToo);
}

/** Another server is verified by the same authorities; who this side is, and leniency, are the registry's own matter. */
function tlsFor(url: URL, { registry, tls }: TokenRequest): EndpointTls | undefined {
  if (url.hostname === registry.hostname || tls === undefined) return tls;
  return tls.ca === undefined ? undefined : { ca: tls.ca };
}

function withScope(realm: URL, { challenge, scope }: TokenRequest): URL {
  const url = new URL(realm);
  const { service } = challenge.parameters;
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.append('scope', scope);
  return url;
}

function refresh({ challenge, scope }: TokenRequest, token: string) {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    service: challenge.parameters.service ?? '',
    client_id: 'imgctl',
    scope,
    refresh_token: token,
  });
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  } as const;
}

function basic(credential: Credential | undefined): Record<string, string> {
  return credential?.kind === 'password' ? { authorization: basicHeader(credential) } : {};
}

export function basicHeader({ username, password }: Extract<Credential, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function readToken(answer: Answer, host: string, now: number): Promise<Token> {
  if (answer.statusCode !== 200) {
    await leave(answer);
    throw tokenServerError(host, answer.statusCode, retryAfterMs(answer.headers['retry-after']));
  }
  const bytes = await readBounded(answer, maxTokenBytes);
  const { token, access_token, expires_in } = parseToken(bytes);
  const value = token || access_token || '';
  // What goes into a header must be able to stand there
  if (!/^[\x21-\x7e]+$/.test(value)) throw protocolError(host, 'what its token server gave is no token');
  const seconds = Math.min(Math.max(expires_in ?? 0, defaultSeconds), maxSeconds);
  return { value, expiresAt: now + seconds * 1000 };
}

function parseToken(bytes: Buffer | undefined): z.infer<typeof tokenSchema> {
  try {
    return tokenSchema.parse(JSON.parse(bytes?.toString('utf8') ?? ''));
  } catch {
    return {};
  }
}
