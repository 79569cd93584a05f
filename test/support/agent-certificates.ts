import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  issueCertificate,
  type KeyPair,
  type LeafRequest,
  makeAuthority,
  type Validity,
} from '../../src/trust/issue-certificate.ts';

/** Certificates of an authority of its own, in a directory of its own: what agents and commands are started with. */
export interface TestAuthority extends AsyncDisposable {
  readonly dir: string;
  readonly pair: KeyPair;
  /** `ca.crt` */
  readonly caFile: string;
  /** Issues what is asked for (else: for `imgctl-agent`, valid now), and writes `NAME.crt` and `NAME.key`. */
  issue(name: string, request?: Partial<LeafRequest>): Promise<IssuedFiles>;
}

export interface IssuedFiles extends KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
}

const day = 86_400_000;

/** From `from` to `to` days from now. */
export function days(from: number, to: number): Validity {
  return { notBefore: new Date(Date.now() + from * day), notAfter: new Date(Date.now() + to * day) };
}

export async function makeTestAuthority(name = 'imgctl test CA'): Promise<TestAuthority> {
  const dir = await mkdtemp(join(tmpdir(), 'imgctl-test-ca-'));
  const pair = await makeAuthority(name, days(-30, 3650));
  const caFile = join(dir, 'ca.crt');
  await writeFile(caFile, pair.cert);
  return {
    dir,
    pair,
    caFile,
    async issue(file, request = {}) {
      const issued = await issueCertificate(pair, {
        subject: file,
        names: ['imgctl-agent'],
        usages: ['server', 'client'],
        validity: days(-1, 365),
        ...request,
      });
      const [certFile, keyFile] = [join(dir, `${file}.crt`), join(dir, `${file}.key`)];
      await put(keyFile, issued.key);
      await put(certFile, issued.cert);
      return { ...issued, certFile, keyFile };
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

/** As a tool that renews certificates does: no reader sees half of it. */
async function put(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
