import { ImgctlError } from '../../errors.ts';
import type { TlsFiles } from './identity.ts';

interface TlsSettings {
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly caFile?: string | undefined;
  readonly clientCa?: string | undefined;
}

/** The files that an agent with TLS needs; undefined for one without. @throws ImgctlError `usage` for half of them */
export function tlsFilesOf({ tlsCert, tlsKey, caFile, clientCa }: TlsSettings): TlsFiles | undefined {
  if (tlsCert !== undefined && tlsKey !== undefined)
    return { cert: tlsCert, key: tlsKey, ca: caFile, clientCa };
  const given = tlsCert ?? tlsKey;
  // An agent that was told to let nobody in without a certificate must not start without asking for any
  if (given === undefined && clientCa === undefined) return undefined;
  throw new ImgctlError(
    'usage',
    given === undefined
      ? '--client-ca needs --tls-cert and --tls-key'
      : '--tls-cert and --tls-key go together',
    { hint: 'Name both, the certificate and its private key; imgctl init makes them.' },
  );
}
