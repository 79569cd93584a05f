import { ImgctlError } from '../errors.ts';
import type { FanOutNode } from './fan-out-options.ts';

/** A node as one that others give to. Where it takes whole archives only, that is its error: nobody here has one. */
export function syncReceiver(node: FanOutNode): FanOutNode {
  return layersOnly(node, {
    message: 'its agent takes whole archives only, and what other nodes have comes in layers',
    hint: 'Import an archive there (imgctl images import), or run an imgctl agent there on another port (--agent-port).',
  });
}

/** A node that pulls, or gets from others what they pull. */
export function pullReceiver(node: FanOutNode): FanOutNode {
  return layersOnly(node, {
    message: 'its agent takes whole archives only, and pulls nothing',
    hint: 'Have this command pull for it (--via command), or run an imgctl agent there on another port (--agent-port).',
  });
}

function layersOnly(
  node: FanOutNode,
  refusal: { readonly message: string; readonly hint: string },
): FanOutNode {
  const { findArchiveNode } = node;
  if (findArchiveNode === undefined) return node;
  const { message, hint } = refusal;
  return {
    ...node,
    findArchiveNode: async (signal) => {
      if ((await findArchiveNode(signal)) === undefined) return undefined;
      throw new ImgctlError('node_not_agent', message, { hint, context: { node: node.name } });
    },
  };
}
