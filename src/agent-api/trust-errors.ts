import type { X509Certificate } from 'node:crypto';
import { codeOf } from '../errors/connection-failure.ts';
import { ImgctlError, printable } from '../errors.ts';
import type { AgentTrust } from './agent-client.ts';
import { lookAtPeer } from './look-at-peer.ts';
import { agentServerName } from './tls-options.ts';

/** Each way in which one side does not trust the other, told apart: by the codes of OpenSSL and Node.js. */

/** No authority that is believed here vouches for it. What Node.js has no code for is `UNSPECIFIED`: a signer that is none. */
const unknownSigner =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_SIGNATURE_FAILURE|CERT_CHAIN_TOO_LONG|CERT_REVOKED|CERT_UNTRUSTED|CERT_REJECTED|INVALID_CA|PATH_LENGTH_EXCEEDED|UNSPECIFIED)/;
const wantsCertificate = /ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|NO_CERTIFICATE)/;
const refusesCertificate =
  /ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|ACCESS_DENIED|UNSUPPORTED_CERTIFICATE|DECRYPT_ERROR)/;
const tooOld = /(ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|LEGACY_SIGALG|EE_KEY_TOO_SMALL|MD_TOO_WEAK)/;
const notTls = /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|RECORD_TOO_SMALL)$/;
const broken = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET']);

interface Attempt {
  readonly url: URL;
  readonly trust: AgentTrust;
  /** Whether this peer answered a request before: then it is not trust that fails. */
  readonly answered: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Why the two do not trust each other; undefined where something else is the matter. */
export async function trustError(thrown: unknown, attempt: Attempt): Promise<ImgctlError | undefined> {
  const { url, trust, signal } = attempt;
  const reason = codeOf(thrown);
  const told = (text: Told) => untrusted(text, reason, thrown);
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID') return told(await wrongName(attempt));
  if (reason === 'CERT_HAS_EXPIRED' || reason === 'CERT_NOT_YET_VALID') return told(await wrongTime(attempt));
  if (reason === 'INVALID_PURPOSE') return told(await wrongPurpose(attempt));
  if (unknownSigner.test(reason)) return told(await strangersCertificate(attempt));
  if (notTls.test(reason)) return told(plainPeer(url));
  if (tooOld.test(reason)) return told(weakPeer(url));
  const refused = wantsCertificate.test(reason) || refusesCertificate.test(reason);
  if (refused) return refusedCertificate(attempt, reason, thrown);
  if (/^ERR_OSSL_/.test(reason)) return unusable(reason, thrown);
  // With TLS 1.3 the client's handshake is over before the server has looked at its certificate: the alert comes with
  // the first answer, or is lost when the connection is reset under a request that is being sent
  if (!broken.has(reason) || attempt.answered) return undefined;
  const { hungUp } = await lookAtPeer(url, { trust, signal });
  return hungUp ? refusedCertificate(attempt, reason, thrown) : undefined;
}

interface Told {
  readonly message: string;
  readonly hint: string;
  readonly fingerprint?: string | undefined;
}

function untrusted({ message, hint, fingerprint }: Told, reason: string, cause: unknown): ImgctlError {
  const context = fingerprint === undefined ? { reason } : { reason, fingerprint };
  return new ImgctlError('node_untrusted', message, { hint, context, cause });
}

async function strangersCertificate({ url, trust, signal }: Attempt): Promise<Told> {
  const { certificate } = await lookAtPeer(url, { signal });
  const { ca, caFile } = trust;
  const message =
    ca === undefined
      ? `the certificate of ${url.host} cannot be verified: no authority was given to verify it against`
      : `the certificate of ${url.host} was not signed by the authority ${caFile === undefined ? 'that was given' : `in ${caFile}`}`;
  const shown =
    certificate === undefined
      ? ''
      : ` It shows the certificate of ${oneLine(certificate.subject)}, by ${oneLine(certificate.issuer)}, SHA-256 ${certificate.fingerprint256}.`;
  const doThis =
    ca === undefined
      ? "Give the cluster's authority with --ca-file FILE (or IMGCTL_CA_FILE): it is the file ca.crt that imgctl init made."
      : "Check that this host is the cluster's, and that --ca-file (or IMGCTL_CA_FILE) names the ca.crt that imgctl init made for it.";
  const hint = `${doThis}${shown}${certificate !== undefined && isMicrok8s(certificate) ? ' It looks like the cluster agent of MicroK8s: --driver microk8s speaks to that.' : ''}`;
  return { message, hint, fingerprint: certificate?.fingerprint256 };
}

async function wrongTime({ url, signal }: Attempt): Promise<Told> {
  const { certificate } = await lookAtPeer(url, { signal });
  const now = new Date();
  const [from, to] = [certificate?.validFromDate, certificate?.validToDate];
  const clock = `The clock of this machine says ${now.toISOString()}`;
  const fingerprint = certificate?.fingerprint256;
  if (to !== undefined && to < now)
    return {
      message: `the certificate of ${url.host} expired on ${to.toISOString()}`,
      hint: `Renew it with imgctl init --renew, and bring it to the node. ${clock}.`,
      fingerprint,
    };
  if (from !== undefined && from > now)
    return {
      message: `the certificate of ${url.host} is not valid before ${from.toISOString()}`,
      hint: `${clock}: if that is wrong, set it; if it is right, the clock was wrong where the certificate was made.`,
      fingerprint,
    };
  return {
    message: `the authority that signed the certificate of ${url.host} is not valid at this time`,
    hint: `Make a new one with imgctl init. ${clock}.`,
    fingerprint,
  };
}

async function wrongName({ url, signal }: Attempt): Promise<Told> {
  const { certificate } = await lookAtPeer(url, { signal });
  const names = certificate?.subjectAltName ?? certificate?.subject ?? '';
  return {
    message: `the certificate of ${url.host} is for ${oneLine(names) || 'no name'}, neither for ${agentServerName} nor for this host`,
    hint: 'Give the agent there a certificate that imgctl init made, or name the node as its certificate does.',
    fingerprint: certificate?.fingerprint256,
  };
}

async function wrongPurpose({ url, signal }: Attempt): Promise<Told> {
  const { certificate } = await lookAtPeer(url, { signal });
  return {
    message: `the certificate of ${url.host} is for clients, not for agents`,
    hint: "Check that this host is the cluster's, and give the agent there a certificate that imgctl init made for agents (agent.crt), not one of a command.",
    fingerprint: certificate?.fingerprint256,
  };
}

function plainPeer(url: URL): Told {
  return {
    message: `what listens at ${url.host} does not speak TLS: nobody knows who it is, and nothing was sent`,
    hint: `Give the agent there a certificate (--tls-cert, --tls-key), or write http://${url.host} to speak plain HTTP to it.`,
  };
}

function weakPeer(url: URL): Told {
  return {
    message: `what listens at ${url.host} speaks a TLS that is too old or too weak`,
    hint: 'Agents speak TLS 1.2 and 1.3: check what listens there, and how its certificate was made.',
  };
}

function refusedCertificate({ url, trust }: Attempt, reason: string, cause: unknown): ImgctlError {
  const showed = trust.cert !== undefined;
  return new ImgctlError(
    'node_unauthorized',
    showed
      ? `the agent at ${url.host} does not trust the certificate that was shown to it`
      : `the agent at ${url.host} wants a client certificate, and none was given`,
    {
      hint: showed
        ? 'Give one that is valid and signed by the authority that the agent was started with (--client-ca): --cert FILE --key FILE.'
        : 'Give one with --cert FILE --key FILE (or IMGCTL_CERT, IMGCTL_KEY), signed by the authority that the agent was started with (--client-ca).',
      context: { reason },
      cause,
    },
  );
}

/** OpenSSL could not make anything of our own files. */
function unusable(reason: string, cause: unknown): ImgctlError {
  return new ImgctlError(
    'certificate_invalid',
    `the certificates that were given cannot be used (${reason})`,
    {
      hint: 'Check that --ca-file, --cert and --key are PEM files, and that the key belongs to the certificate.',
      context: { reason },
      cause,
    },
  );
}

/** MicroK8s makes its certificates in the name of its maker. */
function isMicrok8s({ subject, issuer }: X509Certificate): boolean {
  return /^O=Canonical$/m.test(`${subject}\n${issuer}`);
}

/** What a stranger wrote into a certificate, fit to be shown. */
function oneLine(text: string): string {
  return printable(text.replaceAll('\n', ', ')).slice(0, 300);
}
