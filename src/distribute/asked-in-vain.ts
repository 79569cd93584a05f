import { listNames } from '../errors/nearest.ts';
import { type ErrorCode, ImgctlError } from '../errors.ts';
import type { InVain } from './ask-in-turn.ts';
import { viaCommandHint } from './dispatch-errors.ts';

type Failed = readonly InVain<{ readonly name: string }>[];

/** Of the node, its network or its configuration: at another it may be different. */
const ofTheNode: ReadonlySet<string> = new Set<ErrorCode>([
  'image_unknown',
  'registry_unreachable',
  'registry_unauthorized',
  'registry_untrusted',
  'registry_failed',
  'config_invalid',
  'digest_mismatch',
  'route_unknown',
  'node_unreachable',
  'node_unauthorized',
  'node_untrusted',
  'node_not_agent',
  'node_protocol',
  'overloaded',
  'interrupted',
  'internal',
]);

/**
 * Nodes that have to say that an image is nowhere. One may have a mirror configured that others lack, so one alone is
 * not believed; but they differ by groups, if at all, and a misspelt name is not to be asked of a registry by hundreds.
 */
const maxUnknown = 5;
/** Different words of nodes that are told, and how much of each. */
const maxWords = 3;
const maxLength = 300;
const pullSecretHint = 'Name the secret that pods use: --pull-secret NAMESPACE/NAME.';

/** Whether another node may say what an image is, where these could not. */
export function mayAskAnother(inVain: Failed): boolean {
  return inVain.every(isOfNode) && inVain.filter(isUnknown).length < maxUnknown;
}

/**
 * Why no node could say what an image is: `image_unknown` where all that could look for it did so in vain. `count`: nodes
 * that there are.
 */
export function askedInVain(inVain: Failed, count: number): ImgctlError {
  const final = inVain.find((one) => !isOfNode(one));
  if (final !== undefined) return final.error;
  // What their registries said comes before what the nodes did: it tells more of the image
  const main = inVain.find(isOfRegistry) ?? inVain.find(isUnknown) ?? inVain[0];
  if (main === undefined) return new ImgctlError('node_unreachable', 'there is no node to ask');
  const { code, context } = main.error;
  if (code === 'route_unknown') {
    return new ImgctlError('node_protocol', 'the agents are older than this command, and pull nothing', {
      hint: 'Install the same version on the nodes, or have this command pull for them: --via command.',
      context,
    });
  }
  const hint = hintFor(main.error, count - inVain.length);
  return new ImgctlError(code, wordsOf(inVain, main), { hint, context, cause: main.error });
}

function isUnknown({ error }: Failed[number]): boolean {
  return error.code === 'image_unknown';
}

function isOfNode({ error }: Failed[number]): boolean {
  return ofTheNode.has(error.code);
}

function isOfRegistry({ error: { code } }: Failed[number]): boolean {
  return code.startsWith('registry_') || code === 'config_invalid' || code === 'digest_mismatch';
}

/** `a, b: what both said; c: what another said` */
function wordsOf(inVain: Failed, main: Failed[number]): string {
  const by = new Map<string, string[]>([[main.error.message, []]]);
  for (const { node, error } of inVain) {
    const names = by.get(error.message) ?? [];
    by.set(error.message, [...names, node.name]);
  }
  // What a node says of itself names it
  if (by.size === 1 && main.error.code.startsWith('node_')) return main.error.message;
  const told = [...by].map(([message, names]) => `${listNames(names)}: ${message.slice(0, maxLength)}`);
  const more = told.length > maxWords ? [`and ${told.length - maxWords} more`] : [];
  return [...told.slice(0, maxWords), ...more].join('; ');
}

function hintFor({ code, hint }: ImgctlError, left: number): string | undefined {
  if (code === 'image_unknown') {
    const unasked =
      left > 0 ? `${left} more nodes were not asked: --nodes names those that have it.` : undefined;
    return sentences(hint, unasked, viaCommandHint);
  }
  if (code === 'node_not_agent') return sentences(hint, 'Or have this command pull for it: --via command.');
  if (code === 'registry_unauthorized') return sentences(pullSecretHint, viaCommandHint);
  return code.startsWith('registry_') || code === 'config_invalid' ? viaCommandHint : hint;
}

function sentences(...parts: readonly (string | undefined)[]): string {
  return parts.filter(Boolean).join(' ');
}
