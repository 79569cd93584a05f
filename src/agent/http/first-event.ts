import { errorFromWire } from '../../agent-api/errors.ts';
import { type ImportEvent, isTerminal } from '../../agent-api/events.ts';

/**
 * The same events, once the first is known or `ms` have passed. An import that fails before it tells anything fails
 * here, while a status can still say so.
 */
export async function openEvents(
  events: AsyncIterable<ImportEvent>,
  ms: number,
): Promise<AsyncIterable<ImportEvent>> {
  const iterator = events[Symbol.asyncIterator]();
  const first = iterator.next();
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), ms);
  const early = await Promise.race([first, late]).finally(() => clearTimeout(timer));
  if (early !== 'late' && !early.done && early.value.type === 'error') throw errorFromWire(early.value.error);
  return follow(first, iterator);
}

async function* follow(
  first: Promise<IteratorResult<ImportEvent>>,
  iterator: AsyncIterator<ImportEvent>,
): AsyncGenerator<ImportEvent> {
  try {
    for (let step = await first; !step.done; step = await iterator.next()) {
      yield step.value;
      if (isTerminal(step.value)) return;
    }
  } finally {
    await iterator.return?.();
  }
}
