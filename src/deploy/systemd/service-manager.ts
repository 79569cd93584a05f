import { ImgctlError } from '../../errors.ts';
import { runCommand } from '../run-command.ts';
import { unitName } from './unit.ts';

/** systemd, through the commands that a person would type. */

type Env = Readonly<Record<string, string | undefined>>;

export interface SystemdOptions {
  /** Where `PATH` is looked up. */
  readonly env: Env;
  readonly signal?: AbortSignal | undefined;
}

/** @throws ImgctlError `deploy_failed` with what systemctl said, `interrupted` */
export async function systemctl(args: readonly string[], options: SystemdOptions): Promise<void> {
  const { status, stderr, stdout } = await runCommand('systemctl', args, options);
  if (status === 0) return;
  const said = (stderr.trim() || stdout.trim()).slice(0, 1000);
  throw new ImgctlError('deploy_failed', `systemctl ${args.join(' ')} failed${said && `: ${said}`}`, {
    hint: /not been booted with systemd|Failed to connect to bus/.test(said)
      ? 'systemd does not run here. In a container the agent is started with imgctl agent run.'
      : `See systemctl status ${unitName}.`,
  });
}

/** Before anything is changed for its sake. @throws ImgctlError `deploy_failed` where systemd does not run */
export async function requireSystemd(options: SystemdOptions): Promise<void> {
  await systemctl(['show', '--property=Version'], options);
}

export async function isServiceActive(options: SystemdOptions): Promise<boolean> {
  return (await runCommand('systemctl', ['is-active', '--quiet', unitName], options)).status === 0;
}

/** The last lines that the agent wrote; none where journalctl is not there or knows none. */
export async function lastLogLines(count: number, options: SystemdOptions): Promise<readonly string[]> {
  try {
    const { stdout } = await runCommand(
      'journalctl',
      ['--unit', unitName, '--lines', String(count), '--no-pager', '--output', 'cat'],
      options,
    );
    return stdout.split('\n').filter((line) => line !== '');
  } catch {
    return [];
  }
}
