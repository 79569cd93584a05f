import { ImgctlError } from '../errors.ts';
import { hostFiles, trustFiles } from './default-files.ts';
import { type CertificateFacts, describeCertificate } from './describe-certificate.ts';
import type { HostNames } from './host-names.ts';
import type { KeyPair, LeafRequest } from './issue-certificate.ts';
import { certificateValidity } from './lifetimes.ts';
import type { NewFile } from './publish-files.ts';

/** A certificate that is due, and the files that it goes to. */
export interface Due {
  readonly files: { readonly cert: string; readonly key: string };
  readonly request: Omit<LeafRequest, 'validity'>;
}

export interface IssuedCertificate extends CertificateFacts {
  /** Its name in the directory. */
  readonly file: string;
}

/** The name by which an agent is verified, wherever it runs. */
const sharedName = 'imgctl-agent';

/** One certificate for all agents: nodes are addressed by IP, and verified by this name. */
export function sharedAgent(): Due {
  return agentDue({ cert: trustFiles.cert, key: trustFiles.key }, [sharedName]);
}

/** One for each host alone: stolen, it opens no other. @throws ImgctlError `usage` where two would have the same files */
export function hostAgents(hosts: readonly HostNames[]): Due[] {
  const taken = new Set<string>();
  return hosts.map((names) => {
    const files = hostFiles(names[0]);
    if (taken.has(files.cert)) {
      throw new ImgctlError('usage', `--host ${names[0]} names the same files as another --host`, {
        hint: 'Write all names and addresses of one host after one --host, apart by commas, and its own name first.',
      });
    }
    taken.add(files.cert);
    return agentDue(files, names);
  });
}

export function agentDue(files: Due['files'], names: HostNames): Due {
  return { files, request: { subject: commonName(names[0]), names, usages: ['server', 'client'] } };
}

/** For the command, where agents ask for a certificate. It has no name that an agent could be taken for. */
export function clientDue(name: string): Due {
  const files = { cert: trustFiles.clientCert, key: trustFiles.clientKey };
  return { files, request: { subject: commonName(name), names: [], usages: ['client'] } };
}

/** The standard's longest (RFC 5280, appendix A: ub-common-name). */
export function commonName(text: string): string {
  return text.slice(0, 64);
}

/** The key stands before its certificate: what is read between the two names no key that is not there. */
export async function issueAll(
  authority: KeyPair,
  due: readonly Due[],
  now: Date,
): Promise<{ readonly files: NewFile[]; readonly certificates: IssuedCertificate[] }> {
  const { issueCertificate } = await import('./issue-certificate.ts');
  const files: NewFile[] = [];
  const certificates: IssuedCertificate[] = [];
  const validity = certificateValidity(now, describeCertificate(authority.cert).notAfter);
  for (const { files: names, request } of due) {
    const { cert, key } = await issueCertificate(authority, { ...request, validity });
    files.push({ name: names.key, text: key, secret: true }, { name: names.cert, text: cert, secret: false });
    certificates.push({ file: names.cert, ...describeCertificate(cert) });
  }
  return { files, certificates };
}
