import { aliveIntervalMs } from '../agent-api/routes.ts';
import { ImgctlError } from '../errors.ts';

/** An agent gives a sign every five seconds: one that has given none for so long may hang. Milliseconds. */
export const silentMs = 2 * aliveIntervalMs;

export function unreached(): ImgctlError {
  return new ImgctlError('node_stalled', 'no route to the node worked');
}

export function silent(): ImgctlError {
  return new ImgctlError('node_stalled', `the agent gave no sign of life for ${silentMs / 1000} s`, {
    hint: 'Look at the node: its network, its load, the agent and its log.',
    context: { phase: 'send' },
  });
}

/** Whoever has it may come back, where it is known why it did not give it: so that is what the error is. */
export function unobtainable(node: string, digest: string, cause?: ImgctlError): ImgctlError {
  return new ImgctlError(
    cause?.code ?? 'blob_unknown',
    cause?.message ?? `${digest} is neither in the archive nor on a node that answers`,
    {
      hint: 'Run the command again when the node that has it is back, or with an archive that holds it.',
      context: { ...cause?.context, digest, node },
      cause,
    },
  );
}

/** Nobody who lacks it gets it from its registry, and nobody has it. */
export function unpullable(node: string, digest: string, cause?: ImgctlError): ImgctlError {
  return new ImgctlError(
    cause?.code ?? 'registry_unreachable',
    cause === undefined
      ? `no node that could pull ${digest} takes part`
      : `no node could pull it: ${cause.message}`,
    {
      hint: viaCommandHint,
      context: { ...cause?.context, digest, node },
      cause,
    },
  );
}

export const viaCommandHint =
  'Each node pulls by its own configuration (imgctl agent run --registries, its config.json and proxy). Where only this machine reaches the registry: imgctl images pull --via command.';
