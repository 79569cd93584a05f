import { setTimeout as delay } from 'node:timers/promises';
import type { ImportRegistry } from './imports.ts';
import type { Log } from './log.ts';
import type { AgentServer } from './server.ts';
import type { Stopping } from './stopping.ts';

/** A store that does not answer any more must not hold the agent up: leases expire by themselves. */
const leaveMs = 10_000;

interface Parts {
  readonly servers: readonly AgentServer[];
  readonly imports: ImportRegistry;
  readonly stopping: Stopping;
  readonly log: Log;
}

/**
 * The way out: nothing new is taken, what is under way gets `stopMs` to finish, listeners are told,
 * imports are left so that the next try resumes them, connections are closed.
 */
export async function stopAgent(
  { servers, imports, stopping, log }: Parts,
  { stopMs }: { readonly stopMs: number },
): Promise<void> {
  stopping.begin();
  log.info({ transfers: stopping.transfers, imports: imports.active }, 'stopping');
  const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
  const deadline = performance.now() + stopMs;
  while ((stopping.transfers > 0 || imports.busy) && performance.now() < deadline) await delay(20);
  stopping.sayGoodbye();
  await within(leaveMs, imports.leaveAll());
  // The last answers go out; a client that reads nothing does not hold the agent up
  await within(500, Promise.all(closed));
  for (const server of servers) server.closeAllConnections();
  await Promise.all(closed);
  log.info({}, 'stopped');
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, delay(ms, undefined, { signal: over.signal }).catch(() => {})]);
  over.abort();
}
