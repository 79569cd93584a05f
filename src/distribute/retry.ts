import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorCode, ImgctlError } from '../errors.ts';

/** What may pass by itself: the network, an agent, a store or a registry that restarts, a transfer that was damaged on its way. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'node_unreachable',
  'node_stalled',
  'node_protocol',
  'import_gone',
  'import_incomplete',
  'store_unreachable',
  'lease_lost',
  'blob_locked',
  'overloaded',
  'offset_mismatch',
  'encoding_invalid',
  'digest_mismatch',
  'size_mismatch',
  'image_unverified',
  'registry_unreachable',
  'registry_failed',
  'internal',
]);

export function mayPass({ code, context }: ImgctlError): boolean {
  return passing.has(code) && context.phase !== 'archive';
}

const firstDelayMs = 500;
const longestDelayMs = 15_000;

/** A node that asks for more patience than this gets the next try all the same. */
const longestAskedMs = 60_000;

/**
 * Before the `attempt`th retry (1 is the first), in milliseconds: doubling, with jitter so that many do not come at
 * once; and no less than the node asked for (`Retry-After`), within reason.
 */
export function retryDelayMs(
  attempt: number,
  error: Pick<ImgctlError, 'context'>,
  random: () => number = Math.random,
): number {
  const full = Math.min(longestDelayMs, firstDelayMs * 2 ** (attempt - 1));
  const asked = error.context.retryAfterMs;
  const atLeast = typeof asked === 'number' && asked > 0 ? Math.min(longestAskedMs, asked) : 0;
  return Math.round(atLeast + full / 2 + (full / 2) * random());
}

/** @throws the signal's reason */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  await sleep(delayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
}
