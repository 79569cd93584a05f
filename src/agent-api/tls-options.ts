import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import type { AgentTrust } from './agent-client.ts';

/** The name that an agent's certificate is for: nodes are addressed by IP, and one certificate can serve them all. */
export const agentServerName = 'imgctl-agent';

type TlsOptions = Pick<ConnectionOptions, 'minVersion' | 'servername' | 'checkServerIdentity'> &
  Omit<AgentTrust, 'token'>;

/** How an agent is verified: by the cluster's authority, and by its name, or by the host where it has one of its own. */
export function tlsOptions({ hostname }: URL, { ca, cert, key }: AgentTrust): TlsOptions {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    minVersion: 'TLSv1.2',
    servername: agentServerName,
    checkServerIdentity: (_name, certificate) => {
      const error = checkServerIdentity(agentServerName, certificate);
      return error === undefined || checkServerIdentity(host, certificate) === undefined ? undefined : error;
    },
  };
}
