import { ImgctlError } from '../errors.ts';
import { isWithoutAgent } from './refusal.ts';

const hint =
  'Put the agent there: imgctl agent deploy --ssh USER@HOST from here, imgctl agent install on the node itself, or on ' +
  'every node of a Kubernetes cluster imgctl agent manifest | kubectl apply -f -. If one runs there, check its port ' +
  '(--agent-port) and the firewall.';

/** The error as it is, but for a node where nothing listens: then the hint says how to get an agent there. */
export function withAgentHint(error: ImgctlError): ImgctlError {
  if (!isWithoutAgent(error) || isLocal(error.context.address)) return error;
  const { code, message, context, cause } = error;
  return new ImgctlError(code, message, { hint, context, cause });
}

/** On this machine an agent is merely started, as the error says already. */
function isLocal(address: unknown): boolean {
  return typeof address === 'string' && /^(?:localhost|127\.|\[::1\])/.test(address);
}
