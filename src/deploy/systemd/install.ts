import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import { explainDenied } from './explain-denied.ts';
import type { InstallPlan } from './install-plan.ts';
import { makePrivateDirectory, placeCopy, placeText } from './place-file.ts';
import {
  isServiceActive,
  lastLogLines,
  requireSystemd,
  type SystemdOptions,
  systemctl,
} from './service-manager.ts';
import { unitName } from './unit.ts';

export interface InstallOptions extends SystemdOptions {
  /** Told what was done, as it is done. */
  readonly onStep: (message: string) => void;
  /** Asks the agent whether it is ready, and answers with what to say of it; throws while it is not. */
  readonly ask: (signal: AbortSignal) => Promise<string>;
  /** Milliseconds; 30 s unless given. */
  readonly readyWithinMs?: number | undefined;
}

/**
 * Puts the agent onto this machine as a service and waits until it is ready. Again is an upgrade: what is right already
 * stays, and the agent is started anew only where it has to be; credentials it reads again by itself.
 * @throws ImgctlError `deploy_failed`, `interrupted`
 */
export async function installAgent(plan: InstallPlan, options: InstallOptions): Promise<void> {
  const { paths, unit, tls, listen } = plan;
  const { onStep } = options;
  try {
    await requireSystemd(options);
    const programChanged = await placeProgram(plan, onStep);
    await makePrivateDirectory(paths.configDir);
    await placeCredentials(plan, onStep);
    for (const directory of plan.writable) await mkdir(directory, { recursive: true, mode: 0o700 });
    const unitChanged = await placeText(paths.unit, unit, 0o644);
    onStep(unitChanged ? `wrote ${paths.unit}` : `${paths.unit} stays as it is`);
    await startService(programChanged || unitChanged, options);
  } catch (thrown) {
    throw explainDenied(thrown);
  }
  if (!tls) onStep(`no credentials: the agent makes a token of its own, ${join(paths.dataDir, 'token')}`);
  onStep(`listening on ${listen.join(', ')} ${tls ? 'with TLS' : 'without TLS'}`);
  onStep(await becomeReady(options));
}

async function placeProgram(
  { executable, paths }: InstallPlan,
  onStep: InstallOptions['onStep'],
): Promise<boolean> {
  if (executable.kind === 'package') {
    onStep(`no single executable here: the service starts ${executable.node} ${executable.script}`);
    return false;
  }
  const changed = await placeCopy(executable.path, paths.executable, 0o755);
  onStep(changed ? `copied ${executable.path} to ${paths.executable}` : `${paths.executable} stays as it is`);
  return changed;
}

async function placeCredentials(
  { credentials, paths, credentialsDir }: InstallPlan,
  onStep: InstallOptions['onStep'],
): Promise<void> {
  if (credentials === undefined) return;
  const written: string[] = [];
  for (const { name, text } of credentials.files)
    if (await placeText(join(paths.configDir, name), text, 0o600)) written.push(name);
  onStep(
    written.length > 0
      ? `copied ${written.join(', ')} from ${credentialsDir} to ${paths.configDir}`
      : `the credentials in ${paths.configDir} stay as they are`,
  );
}

async function startService(changed: boolean, options: InstallOptions): Promise<void> {
  const { onStep } = options;
  await systemctl(['daemon-reload'], options);
  const ran = await isServiceActive(options);
  await systemctl(['enable', '--now', unitName], options);
  if (!ran) return onStep(`started ${unitName}, now and at every boot`);
  if (!changed) return onStep(`${unitName} runs already`);
  await systemctl(['restart', unitName], options);
  onStep(`restarted ${unitName}`);
}

async function becomeReady(options: InstallOptions): Promise<string> {
  const { ask, readyWithinMs = 30_000, signal } = options;
  const until = AbortSignal.timeout(readyWithinMs);
  const either = signal === undefined ? until : AbortSignal.any([signal, until]);
  let last: unknown;
  for (;;) {
    try {
      return await ask(either);
    } catch (error) {
      // What it said before its time ran out says more than that it ran out
      if (!either.aborted || last === undefined) last = error;
    }
    if (!either.aborted) await sleep(500, undefined, { signal: either }).catch(() => {});
    if (either.aborted) break;
  }
  if (signal?.aborted) throw new ImgctlError('interrupted', 'interrupted', { cause: signal.reason });
  const log = await lastLogLines(15, { env: options.env });
  for (const line of log) options.onStep(`log: ${line}`);
  const said = lastError(log);
  throw new ImgctlError(
    'deploy_failed',
    `the agent was not ready within ${Math.round(readyWithinMs / 1000)} s: ${said?.message ?? toImgctlError(last).message}`,
    {
      hint: `${said?.hint ?? `See journalctl -u ${unitName}.`} It is started again every few seconds, so that what is missing may still come.`,
      context: { log },
      cause: last,
    },
  );
}

/** What the agent itself gave as its reason says more than that nobody answers: that of its last start alone. */
function lastError(log: readonly string[]): { readonly message: string; readonly hint?: string } | undefined {
  const started = log.findLastIndex((line) => line.includes('"msg":"agent ready"'));
  const at = log.findLastIndex((line) => /^Error \[\w+\]: /.test(line));
  if (at <= started) return undefined;
  const hint = log
    .slice(at)
    .find((line) => /^\s*Hint: /.test(line))
    ?.replace(/^\s*Hint: /, '');
  const message = (log[at] ?? '').replace(/^Error \[\w+\]: /, '');
  return hint === undefined ? { message } : { message, hint };
}
