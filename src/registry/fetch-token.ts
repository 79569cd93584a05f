import * as z from 'zod';
import { type Credential, type EndpointTls, isLoopback } from '../image/registry-endpoint.ts';
import type { Challenge } from './challenge.ts';
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
  const { transport, credential, signal } = wanted;
  const realm = realmOf(wanted);
  const tls = tlsFor(realm, wanted);
  const now = Date.now();
  const answer =
    credential?.kind === 'identity'
      ? await transport.request(realm, { ...refresh(wanted, credential.token), tls, signal })
      : await transport.request(withScope(realm, wanted), { headers: basic(credential), tls, signal });
  if (answer.statusCode >= 400 && answer.statusCode < 500 && answer.statusCode !== 429) {
    await leave(answer);
    return undefined;
  }
  try {
    return await readToken(answer, realm, now);
  } catch (error) {
    throw connectionError(error, realm, signal);
  }
}

/** No credential goes where anybody on the way could read it, unless the registry itself is spoken to so. */
function realmOf({ challenge, registry }: TokenRequest): URL {
  const { realm = '' } = challenge.parameters;
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const plainToo =
    registry.protocol === 'http:' && (url?.hostname === registry.hostname || isLoopback(url?.hostname ?? ''));
  if (url === undefined || (url.protocol !== 'https:' && !(url.protocol === 'http:' && plainToo)))
    throw protocolError(registry.host, 'it names no token server that can be trusted with a password');
  url.username = url.password = url.hash = '';
  return url;
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

async function readToken(answer: Answer, realm: URL, now: number): Promise<Token> {
  if (answer.statusCode !== 200) {
    await leave(answer);
    throw tokenServerError(realm.host, answer.statusCode, retryAfterMs(answer.headers['retry-after']));
  }
  const bytes = await readBounded(answer, maxTokenBytes);
  const { token, access_token, expires_in } = parseToken(bytes);
  const value = token || access_token || '';
  // What goes into a header must be able to stand there
  if (!/^[\x21-\x7e]+$/.test(value))
    throw protocolError(realm.host, 'what its token server gave is no token');
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
