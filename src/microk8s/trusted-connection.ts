import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { ImgctlError } from '../errors.ts';
import { connect } from './connect.ts';
import { type Microk8sCredentials, whereCredentialsAre } from './credentials.ts';

/**
 * A connection to a peer that is known, on which nothing was said before it was. The callback token gives the cluster
 * away, and MicroK8s's own client sends it to whoever answers.
 *
 * A peer is known in one of two ways. Its certificate is, byte for byte, one that was given: then its dates and names
 * count for nothing, as with the host keys of ssh. Or an authority that was given signed it for the address that was
 * asked for: each node's `server.crt` names all addresses of the node. The name is checked because the cluster's
 * authority signs more than agents (kubelets, users), and one node must not pass for another. Control plane nodes share
 * the authority; a worker keeps the one that it made for itself before it joined, so its `server.crt` must be given.
 * @throws ImgctlError `node_untrusted`, `node_unreachable`, `node_not_agent`
 */
export async function connectTrusted(
  url: URL,
  { certificates }: Pick<Microk8sCredentials, 'certificates'>,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = await connect({ url, ca: certificates.map(String) }, signal);
  const leaf = socket.getPeerX509Certificate();
  const isGiven = certificates.some(({ raw }) => leaf?.raw.equals(raw));
  // Without any authority given, Node.js would ask those of the system, which sign for anybody
  const isSigned = certificates.length > 0 && socket.authorized;
  if (isGiven || isSigned) return socket;
  const reason = String(socket.authorizationError ?? 'unknown');
  socket.destroy();
  throw certificates.length === 0
    ? untrusted(url, leaf, 'no certificate is known here', whereCredentialsAre)
    : untrusted(url, leaf, reasonOf(reason), howToPin);
}

function reasonOf(reason: string): string {
  if (reason.includes('ALTNAME')) return 'it is for another address';
  if (reason === 'CERT_HAS_EXPIRED') return 'it has expired';
  if (reason === 'CERT_NOT_YET_VALID') return 'it is not valid yet';
  return 'no known authority signed it';
}

const howToPin =
  "Copy certs/server.crt of that node from /var/snap/microk8s/current, over a way that you trust, and give it with --microk8s-ca FILE, after the cluster's ca.crt (one file may hold several). Its openssl x509 -noout -fingerprint -sha256 must say the same fingerprint. Nothing was sent there.";

function untrusted(url: URL, leaf: X509Certificate | undefined, why: string, hint: string): ImgctlError {
  const fingerprint = leaf?.fingerprint256 ?? 'none';
  return new ImgctlError(
    'node_untrusted',
    `the certificate of MicroK8s's agent at ${url.host} is not trusted: ${why} (SHA-256 ${fingerprint})`,
    {
      hint,
      context: { fingerprint, address: url.host },
    },
  );
}
