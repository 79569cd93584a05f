import { LiveFiles } from '../live-files.ts';
import type { Log } from '../log.ts';
import { peerAuthorityOf, readIdentity, type TlsFiles, type TlsIdentity } from './identity.ts';

const dayMs = 24 * 60 * 60_000;
/** Long enough to do something about it. */
const soonMs = 30 * dayMs;

export interface LiveIdentity extends Disposable {
  readonly current: TlsIdentity;
}

/** The agent's certificate as it stands in its files; `onChange` when they hold another. @throws ImgctlError `certificate_invalid` */
export async function openIdentity(
  files: TlsFiles,
  { log, everyMs, onChange }: { log: Log; everyMs: number; onChange: (identity: TlsIdentity) => void },
): Promise<LiveIdentity> {
  const optional = files.clientCa === undefined ? [] : [files.clientCa];
  const live = await LiveFiles.open({
    paths: [files.cert, files.key, peerAuthorityOf(files), ...optional],
    read: () => readIdentity(files),
    everyMs,
    onChange: (identity) => {
      onChange(identity);
      tell(log, identity, 'certificate read again');
    },
    onFailure: ({ message, context }) =>
      log.error({ message, ...context }, 'the certificate cannot be read again: the old one stays in use'),
  });
  tell(log, live.current, 'certificate');
  const daily = setInterval(() => warn(log, live.current), dayMs).unref();
  return {
    get current() {
      return live.current;
    },
    [Symbol.dispose]() {
      clearInterval(daily);
      live[Symbol.dispose]();
    },
  };
}

function tell(log: Log, identity: TlsIdentity, what: string): void {
  const { fingerprint, names, notBefore, notAfter } = identity;
  log.info(
    { fingerprint, names, notBefore: notBefore.toISOString(), notAfter: notAfter.toISOString() },
    what,
  );
  warn(log, identity);
}

/** Of a certificate that no client will trust, now or soon. */
function warn(log: Log, { fingerprint, notBefore, notAfter }: TlsIdentity): void {
  const line = { fingerprint, notBefore: notBefore.toISOString(), notAfter: notAfter.toISOString() };
  const [now, end] = [Date.now(), notAfter.getTime()];
  if (end <= now) log.error(line, 'the certificate has expired: no client will trust this agent');
  else if (notBefore.getTime() > now)
    log.error(line, 'the certificate is not valid yet: is the clock of this node right?');
  else if (end - now < soonMs)
    log.warn({ ...line, days: Math.floor((end - now) / dayMs) }, 'the certificate expires within 30 days');
}
