import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { OwnCertificate } from '../deploy/systemd/credentials.ts';
import { readSmallFile } from '../streams/read-small-file.ts';
import { isAgentCertificate, trustFiles } from '../trust/default-files.ts';
import { describeCertificate } from '../trust/describe-certificate.ts';

/** The certificate among those that `imgctl init --host` made that is for this host, whichever of its names it goes by. */
export async function ownCertificate(directory: string, host: string): Promise<OwnCertificate | undefined> {
  for (const cert of await readdir(directory)) {
    if (!isAgentCertificate(cert) || cert === trustFiles.cert) continue;
    const { names } = describeCertificate(await readSmallFile(join(directory, cert)));
    if (names.some((name) => name.toLowerCase() === host.toLowerCase()))
      return { cert, key: cert.replace(/\.crt$/, '.key') };
  }
  return undefined;
}
