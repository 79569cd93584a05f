import { errorToWire } from '../../agent-api/errors.ts';
import type { RelayHop } from '../../agent-api/relay.ts';
import type { PutResult, RelayResult } from '../../agent-api/schemas.ts';
import { ImgctlError } from '../../errors.ts';

/** What became of a blob at the next hop and those behind it, one result a hop, whatever the next one answered. */

/** The next hop ran its part of the route, and said so. */
export function resultsOf(route: readonly RelayHop[], answer: PutResult): readonly RelayResult[] {
  const [next, ...behind] = route;
  if (next === undefined) return [];
  const { error, offset, relay } = answer;
  const told = behind.map(({ node }, i): RelayResult => {
    const result = relay[i];
    return result?.node === node
      ? result
      : failed(node, new ImgctlError('node_protocol', `${next.node} does not say what became of it here`));
  });
  return [{ node: next.node, ok: error === undefined, ...(error && { error }), ...held(offset) }, ...told];
}

/** The next hop refused, or was cut off: nobody behind it got everything, and nobody knows how much. */
export function failuresOf(route: readonly RelayHop[], error: ImgctlError): readonly RelayResult[] {
  const [next, ...behind] = route;
  if (next === undefined) return [];
  const { offset } = error.context;
  const knows = error.code === 'offset_mismatch' && typeof offset === 'number';
  return [
    { ...failed(next.node, error), ...held(knows ? offset : undefined) },
    ...behind.map(({ node }) => failed(node, cutOff(next.node, error))),
  ];
}

function failed(node: string, error: ImgctlError): RelayResult {
  const wire = errorToWire(error);
  // The client of this node knows the other by its address
  return { node, ok: false, error: { ...wire, context: { ...wire.context, node } } };
}

function cutOff(broken: string, { code, message }: ImgctlError): ImgctlError {
  return new ImgctlError('interrupted', `the route ended at ${broken}: ${message}`, {
    context: { brokenAt: broken, reason: code },
  });
}

function held(offset: number | undefined): { readonly offset?: number } {
  return offset === undefined ? {} : { offset };
}
