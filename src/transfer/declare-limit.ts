import type { Declaration } from '../agent-api/schemas.ts';

/** The slowest link that a declaration is waited for on, in bytes of documents a millisecond. */
const slowestBytesPerMs = 16;

/**
 * How long a node may take to answer a declaration, in milliseconds: what it may be silent for, and the time that its
 * documents take on a slow link and in a busy store. Nothing tells meanwhile how far they are.
 */
export function declareLimitMs(stallTimeoutMs: number, { documents = [] }: Declaration): number {
  const bytes = documents.reduce((sum, { data }) => sum + data.length, 0);
  return stallTimeoutMs + Math.round(bytes / slowestBytesPerMs);
}
