import { join } from 'node:path';
import { readSmallFile, whyUnreadable } from '../../streams/read-small-file.ts';
import { defaultTrustDirs, trustFiles } from '../../trust/default-files.ts';
import { describeCertificate } from '../../trust/describe-certificate.ts';
import { below } from './below.ts';
import type { Finding, Findings } from './check.ts';
import type { MachineOptions } from './this-machine.ts';

const dayMs = 24 * 3600 * 1000;
/** Sooner than this, a certificate's end is a matter for this week. */
const soonDays = 30;

/** The authority and the agent's certificate, wherever this machine has them. */
export async function certificates({ io: { env }, root, caFile }: MachineOptions): Promise<Findings> {
  const directories = [...new Set(defaultTrustDirs(env).map((dir) => below(root, dir)))];
  const usual = directories.flatMap((dir) => [trustFiles.ca, trustFiles.cert].map((name) => join(dir, name)));
  const paths = [...new Set([...(caFile === undefined ? [] : [caFile]), ...usual])];
  const found = await Promise.all(paths.map((path) => certificate(path, path === caFile)));
  const findings = found.filter((finding) => finding !== undefined);
  if (findings.length > 0) return findings.flat();
  return {
    status: 'ok',
    detail: 'none here: agents are spoken to on loopback, or over plain HTTP',
    hint: 'For a cluster: imgctl init.',
  };
}

async function certificate(path: string, isNamed: boolean): Promise<Findings | undefined> {
  let pem: string;
  try {
    pem = await readSmallFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!isNamed && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    const detail = `${path} cannot be read: ${whyUnreadable(error)}`;
    return isNamed ? { status: 'fail', detail } : { status: 'warn', detail, hint: 'Use sudo.' };
  }
  try {
    const { notBefore, notAfter, isAuthority } = describeCertificate(pem);
    const finding = validity({ notBefore, notAfter }, isAuthority);
    return { ...finding, detail: `${path}: ${finding.detail}` };
  } catch {
    return {
      status: 'fail',
      detail: `${path} is not a certificate`,
      hint: 'Make it anew with imgctl init --renew.',
    };
  }
}

/** How long something is valid still, and what to do where that is not long. */
export function validity(
  { notBefore, notAfter }: { readonly notBefore?: Date; readonly notAfter: Date },
  isAuthority = false,
): Finding {
  const days = Math.floor((notAfter.getTime() - Date.now()) / dayMs);
  const hint = isAuthority
    ? 'Make a new authority with imgctl init in another directory, and bring it to every node.'
    : 'imgctl init --renew, then bring agent.crt and agent.key to the nodes: agents read them again by themselves.';
  const until = notAfter.toISOString().slice(0, 10);
  if (days < 0) return { status: 'fail', detail: `ended on ${until}`, hint };
  if (notBefore !== undefined && notBefore.getTime() > Date.now())
    return {
      status: 'fail',
      detail: `valid only from ${notBefore.toISOString()} on`,
      hint: "Check this machine's clock.",
    };
  const detail = `valid for ${days} ${days === 1 ? 'day' : 'days'}, until ${until}`;
  return days < soonDays ? { status: 'warn', detail, hint } : { status: 'ok', detail };
}
