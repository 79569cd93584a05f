import type { NodeOutcome } from '../distribute/outcome.ts';
import { ImgctlError } from '../errors.ts';

/** What an import that was interrupted has left behind: on agents of ours for an hour, on others nothing. */
export function interrupted(outcomes: readonly NodeOutcome[]): ImgctlError {
  const begun = outcomes.filter(({ error, bytesSent }) => error?.code === 'interrupted' && bytesSent > 0);
  const anew = begun.filter(({ error }) => error?.context.keptMs === 0).map(({ node }) => node);
  if (anew.length > 0 && anew.length === begun.length) {
    return new ImgctlError('interrupted', 'interrupted: the nodes keep nothing of what they took', {
      hint: 'Run the same command again: everything is sent anew.',
    });
  }
  const but = anew.length === 0 ? '' : `, but not on ${anew.join(', ')}`;
  return new ImgctlError('interrupted', `interrupted: what arrived on the nodes is kept for an hour${but}`, {
    hint: 'Run the same command again to go on from there.',
  });
}
