import { codeOf } from '../../errors/connection-failure.ts';
import { ImgctlError, printable } from '../../errors.ts';

/** What one does without the list. */
const instead = {
  nodes: 'Or name the nodes: --nodes; --discover local is the agent of this machine.',
  pods: 'Or name the images: kubectl get pods --all-namespaces --output json | imgctl bundle create -f -',
};

/** Where nodes are asked for, in the words of messages. */
export interface ListingPlace {
  readonly context: string;
  readonly kubeconfig: string;
  readonly server: string;
}

/** Why a listing failed, and whether it may pass by itself. */
export interface Refusal {
  readonly why: string;
  readonly hint: string;
  readonly mayPass: boolean;
  /** Seconds, where the server said how long to wait. */
  readonly retryAfter?: number | undefined;
  readonly cause?: unknown;
}

export function listingError(
  place: ListingPlace,
  what: 'nodes' | 'pods',
  { why, hint, cause }: Refusal,
): ImgctlError {
  const { context, kubeconfig, server } = place;
  const where = `context ${context}, server ${server}, kubeconfig ${kubeconfig}`;
  return new ImgctlError(
    'discovery_failed',
    `Kubernetes could not be asked for its ${what}: ${why} (${where})`,
    {
      hint: `${hint} ${instead[what]}`,
      context: { kubeContext: context, kubeconfig, server },
      cause,
    },
  );
}

const maxReasonChars = 300;

/** An answer that is no list. `said`: the message of the Status that came with it. */
export function refusedWith(
  status: number,
  {
    said,
    what,
    retryAfter,
  }: { readonly said?: string | undefined; readonly what: string; readonly retryAfter?: number | undefined },
): Refusal {
  const told = printable(said ?? '')
    .trim()
    .slice(0, maxReasonChars);
  const why = `it answered ${status}${told === '' ? '' : `: ${told}`}`;
  const mayPass = status === 429 || status === 500 || (status >= 502 && status <= 504);
  return { why, hint: hintOf(status, what), mayPass, retryAfter };
}

function hintOf(status: number, what: string): string {
  if (status === 401)
    return 'It does not accept the credentials: they may have expired, or be those of another cluster.';
  if (status === 403)
    return `Check: kubectl auth can-i list ${what} --all-namespaces. Listing ${what} takes a ClusterRole that allows it.`;
  if (status >= 300 && status < 400)
    return 'Redirects are not followed: write the address that answers into the kubeconfig.';
  if (status === 404) return "What listens there is not Kubernetes: check the kubeconfig's server.";
  if (status === 429 || status >= 500) return 'It may pass: try again.';
  return `kubectl get ${what} may say more.`;
}

/** Innermost codes of Node.js and undici, with what they mean to whoever reads them. */
const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name cannot be looked up right now',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'it takes the request and does not answer',
  UND_ERR_BODY_TIMEOUT: 'its answer stopped on the way',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
};

const untrusted =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)/;

/** A request that got no answer. */
export function failedConnection(thrown: unknown): Refusal {
  const code = codeOf(thrown);
  const why = unreachable[code];
  if (why !== undefined) {
    return {
      why,
      hint: 'Check its address and port, and whether a VPN or a tunnel is needed to get there.',
      mayPass: code !== 'ENOTFOUND',
      cause: thrown,
    };
  }
  if (untrusted.test(code)) {
    return {
      why: `its certificate is not trusted (${code})`,
      hint: "Check the kubeconfig's certificate-authority and tls-server-name.",
      mayPass: false,
    };
  }
  if (/^(ERR_SSL_|EPROTO|HPE_)/.test(code)) {
    return {
      why: `it breaks off the TLS handshake, or does not speak what its address says (${code})`,
      hint: "Check the kubeconfig's server, and its client certificate.",
      mayPass: false,
    };
  }
  return {
    why: `the connection failed${code && ` (${code})`}`,
    hint: 'Try again.',
    mayPass: true,
    cause: thrown,
  };
}
