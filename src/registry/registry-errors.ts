import { codeOf, unreachable } from '../errors/connection-failure.ts';
import { type ErrorCode, ImgctlError, isAbortError, printable } from '../errors.ts';

/** What goes wrong with a registry, in plain words. Nothing that was sent to it is in them. */

const maxSaid = 200;

const distrusted =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)/;

const ownCertificate = 'tls.cert_file and tls.key_file in registries.yaml, or client in hosts.toml';

export function connectionError(thrown: unknown, url: URL, signal: AbortSignal | undefined): ImgctlError {
  if (thrown instanceof ImgctlError) return thrown;
  const reason = codeOf(thrown);
  const refusal = proxyRefusal(thrown);
  if (signal?.aborted || (isAbortError(thrown) && refusal === undefined))
    return signal?.reason instanceof ImgctlError
      ? signal.reason
      : new ImgctlError('interrupted', 'interrupted', { cause: thrown });
  const context = { registry: url.host, reason: reason || 'unknown' };
  if (distrusted.test(reason)) {
    return new ImgctlError(
      'registry_untrusted',
      `the certificate of ${url.host} is not trusted (${reason})`,
      {
        hint: 'Name the authority that signed it: tls.ca_file in registries.yaml, or ca in hosts.toml.',
        context,
      },
    );
  }
  // TLS has an alert for none, and several for one that is not taken
  if (/^ERR_SSL_.*ALERT.*(?:CERTIFICATE|UNKNOWN_CA)/.test(reason)) {
    return new ImgctlError(
      'registry_unauthorized',
      `${url.host} wants a certificate of this side (${reason})`,
      {
        hint: `Name one that it knows: ${ownCertificate}.`,
        context,
      },
    );
  }
  if (/^(?:ERR_SSL_|EPROTO|HPE_)/.test(reason)) {
    const spoken = url.protocol === 'https:' ? 'HTTPS' : 'HTTP';
    return new ImgctlError('registry_unreachable', `what listens at ${url.host} does not speak ${spoken}`, {
      hint: 'Where a registry speaks plain HTTP, its endpoint is written with http:// in registries.yaml or hosts.toml.',
      context,
      cause: thrown,
    });
  }
  if (refusal !== undefined) {
    const why = `the proxy in between refuses (${refusal})`;
    return new ImgctlError('registry_unreachable', `${url.host} cannot be reached: ${why}`, {
      hint: 'Check the proxy in HTTPS_PROXY, and who one is to it; NO_PROXY names what is reached without one.',
      context,
    });
  }
  const isCut = url.protocol === 'https:' && unreachable[reason] === unreachable.ECONNRESET;
  const why = unreachable[reason] ?? timeouts[reason] ?? 'the connection failed';
  return new ImgctlError('registry_unreachable', `${url.host} cannot be reached: ${why}`, {
    hint: isCut
      ? cutHint
      : 'Check the name and the port, and whether a proxy is needed to get there (HTTPS_PROXY).',
    context,
    cause: thrown,
  });
}

/** Over TLS 1.3 a server that misses a certificate may be gone before its alert is read. */
const cutHint = `It may pass: try again. Else it wants a certificate of this side: ${ownCertificate}.`;

const timeouts: Readonly<Record<string, string>> = {
  UND_ERR_HEADERS_TIMEOUT: 'it takes the request and does not answer',
  UND_ERR_BODY_TIMEOUT: 'its answer stopped on the way',
  UND_ERR_HEADERS_OVERFLOW: 'it answers with more headers than any registry does',
};

/** The status that a proxy gave in place of a tunnel, or of passing a request on: undici has it in its words alone. */
function proxyRefusal(thrown: unknown): string | undefined {
  const words = thrown instanceof Error ? thrown.message : '';
  return /^Proxy (?:response|Authentication Required) \((\d{3})\)/.exec(words)?.[1];
}

/** What a registry answered in place of what was asked for. `said`: its own words. */
export function refusedError(
  {
    status,
    url: { host, protocol },
    what,
  }: { readonly status: number; readonly url: URL; readonly what: string },
  said: string,
): ImgctlError {
  const words = printable(said).trim().slice(0, maxSaid);
  const told = words === '' ? '' : `: ${words}`;
  const error = (code: ErrorCode, message: string, hint: string) =>
    new ImgctlError(code, `${message}${told}`, { hint, context: { registry: host, status } });
  if (status === 401 || status === 403)
    return error(
      'registry_unauthorized',
      `${host} refuses ${what} to this user`,
      'Check the name; imgctl registries explain says which credentials are tried. Log in (docker login), or name the secret that pods use: --pull-secret NAMESPACE/NAME.',
    );
  if (status === 404)
    return error('image_unknown', `${host} does not have ${what}`, 'Check the name and the tag.');
  if (status === 429)
    return error(
      'registry_failed',
      `${host} has had too many requests`,
      'Log in, which raises its limit, use a mirror, or try again later.',
    );
  // What Go's servers say in HTTPS to who speaks HTTP
  if (status === 400 && protocol === 'http:')
    return error(
      'registry_failed',
      `${host} answered 400 to the request for ${what}, in plain HTTP`,
      'Where it speaks HTTPS alone, name its certificate: tls in registries.yaml, or ca in hosts.toml.',
    );
  return error(
    'registry_failed',
    `${host} answered ${status} to the request for ${what}`,
    status >= 500 ? 'It may pass: try again.' : 'Check that what listens there is a registry.',
  );
}

/** One that is overloaded or restarts is as one that cannot be reached: it may pass. */
export function tokenServerError(host: string, status: number, retryAfterMs?: number): ImgctlError {
  const code = status === 429 || status >= 500 ? 'registry_unreachable' : 'registry_failed';
  return new ImgctlError(code, `the token server ${host} answered ${status}`, {
    hint: 'It may pass: try again.',
    context: { registry: host, status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
}

/** What a registry signs for its blob store is valid for a while: another time it signs anew. */
export function redirectedInVain(host: string, to: string, status: number): ImgctlError {
  return new ImgctlError('registry_unreachable', `${host} redirects to ${to}, which answers ${status}`, {
    hint: 'It may pass: try again. Else look at the storage of the registry, and at the clock of this machine.',
    context: { registry: host, status },
  });
}

export function protocolError(host: string, message: string, hint?: string): ImgctlError {
  return new ImgctlError('registry_failed', `${host}: ${message}`, {
    hint: hint ?? 'Check that what listens there is a registry, and what proxy may be in between.',
    context: { registry: host },
  });
}
