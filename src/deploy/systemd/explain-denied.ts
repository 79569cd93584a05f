import { ImgctlError } from '../../errors.ts';

/** What a file that may not be written means to whoever installs; anything else is left as it is. */
export function explainDenied(thrown: unknown, what = 'install'): unknown {
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') return thrown;
  const { message } = thrown as Error;
  return new ImgctlError('deploy_failed', `this user may not ${what} the agent: ${message}`, {
    hint:
      code === 'EROFS'
        ? 'The system is read-only there: use the DaemonSet, imgctl agent manifest.'
        : 'Use sudo.',
    cause: thrown,
  });
}
