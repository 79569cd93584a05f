import { errorFromWire } from '../agent-api/errors.ts';
import type { FetchResult, PutResult } from '../agent-api/schemas.ts';
import type { ErrorCode, ImgctlError } from '../errors.ts';
import type { HopResult } from './plan-types.ts';

/** What became of a blob at one node of a route, and why it is not there. */
export interface HopEnd {
  readonly node: string;
  readonly result: HopResult;
  readonly error?: ImgctlError | undefined;
}

/** Whoever fed it did not get through to it; another may. */
const linkCodes: ReadonlySet<ErrorCode> = new Set([
  'node_unreachable',
  'node_untrusted',
  'node_unauthorized',
  'node_not_agent',
  'blob_unknown',
]);

/** It was fed too slowly, or from the wrong place: it is fed again. */
const routeCodes: ReadonlySet<ErrorCode> = new Set([
  'interrupted',
  'node_stalled',
  'offset_mismatch',
  'encoding_invalid',
]);

/** Of the node itself nothing can be fed to it until it was asked anew. */
export function failedHop(node: string, error: ImgctlError, offset?: number): HopEnd {
  const reason = routeCodes.has(error.code) ? 'route' : linkCodes.has(error.code) ? 'link' : 'node';
  return { node, result: { ok: false, offset, reason }, error };
}

/** The command itself spoke to the first node of a route: what it could not reach, nobody says more about. */
export function failedFirst(node: string, error: ImgctlError, offset = 0): HopEnd {
  if (error.code === 'offset_mismatch') return failedHop(node, error, heldBy(error) ?? 0);
  // Another sender of the same blob was to bring it, and did not
  if (error.code === 'interrupted') return failedHop(node, error);
  return { node, result: { ok: false, offset, reason: 'node' }, error };
}

/** An entry for every node of the route, in its order. */
export function hopEnds(route: readonly string[], answer: PutResult): readonly HopEnd[] {
  const [first = '', ...behind] = route;
  const told = [
    answer.error === undefined
      ? { node: first, result: { ok: true } as const }
      : failedHop(first, errorFromWire(answer.error), answer.offset),
  ];
  return [
    ...told,
    ...behind.map((node, i): HopEnd => {
      const hop = answer.relay[i];
      if (hop?.ok === true) return { node, result: { ok: true } };
      return hop?.error === undefined
        ? { node, result: { ok: false, offset: hop?.offset, reason: 'route' } }
        : failedHop(node, errorFromWire(hop.error), hop.offset);
    }),
  ];
}

/**
 * The same of a route whose first node got it from a peer. That the peer did not give it, or gave something else, is the
 * peer's fault, and nobody's behind.
 */
export function fedEnds(route: readonly string[], answer: FetchResult): readonly HopEnd[] {
  const ends = hopEnds(route, { ...answer, relay: answer.relay ?? [] });
  const [first, ...behind] = ends;
  if (first?.error?.context.phase !== 'fetch') return ends;
  const { error } = first;
  return [
    { ...first, result: { ok: false, offset: answer.offset, reason: 'link' } },
    ...behind.map(
      (end): HopEnd =>
        end.error?.code === error.code ? { ...end, result: { ok: false, offset: 0, reason: 'route' } } : end,
    ),
  ];
}

/** The same of a route whose first node read it from a registry, from `offset` on. */
export function pulledEnds(route: readonly string[], answer: FetchResult, offset: number): readonly HopEnd[] {
  const [first, ...behind] = hopEnds(route, { ...answer, relay: answer.relay ?? [] });
  if (first === undefined) return [];
  const { error } = first;
  const unpulled = error && unpulledFirst(first.node, error, offset, answer.offset);
  return [unpulled ?? first, ...behind];
}

/**
 * That the registry did not give it is no fault of the node; undefined where something else went wrong. Bytes that do not
 * add up to the blob, with those that the node held before, are read again from the start.
 */
export function unpulledFirst(
  node: string,
  error: ImgctlError,
  offset: number,
  held?: number,
): HopEnd | undefined {
  const isWrong = error.code === 'digest_mismatch' || error.code === 'size_mismatch';
  if (isWrong && offset > 0) return { node, result: { ok: false, offset: 0, reason: 'route' }, error };
  if (error.context.phase !== 'fetch') return undefined;
  return { node, result: { ok: false, offset: isWrong ? 0 : held, reason: 'source' }, error };
}

function heldBy({ context: { offset } }: ImgctlError): number | undefined {
  return typeof offset === 'number' ? offset : undefined;
}
