import { setImmediate as turn } from 'node:timers/promises';
import { Gathering } from './gathering.ts';

/** What is read ahead while whoever takes it works. */
const aheadBytes = 1024 * 1024;

/**
 * The same bytes in lent chunks (chunk-pool.ts) of all that came since the last one, up to 1 MiB: everything that is done
 * with a chunk costs more than its bytes do. What came in one turn of the event loop goes on at its end, so that nobody
 * behind waits for a chunk to be full. `length`: how many bytes will come. Leaving the iteration does not wait for a
 * source that is silent: it is to be ended by its own signal.
 */
export async function* readAhead(
  source: AsyncIterable<Uint8Array>,
  length: number,
): AsyncGenerator<Uint8Array> {
  const came = new Gathering(length);
  const chunks = source[Symbol.asyncIterator]();
  let state: 'reading' | 'paused' | 'ended' = 'paused';
  let failure: { readonly thrown: unknown } | undefined;
  let left = false;
  let wake: (() => void) | undefined;
  const read = async () => {
    state = 'reading';
    try {
      while (!left && came.length < aheadBytes) {
        const { value, done } = await chunks.next();
        if (left) return;
        if (done) {
          state = 'ended';
          return;
        }
        came.add(value);
        wake?.();
      }
      state = 'paused';
    } catch (thrown) {
      failure = { thrown };
      state = 'ended';
    } finally {
      wake?.();
    }
  };
  try {
    for (;;) {
      if (state === 'paused' && came.length < aheadBytes / 2) void read();
      const chunk = came.take();
      if (chunk !== undefined) yield chunk;
      else if (failure !== undefined) throw failure.thrown;
      else if (isEnded(state)) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
        await turn();
      }
    }
  } finally {
    left = true;
    came.close();
    void chunks.return?.().catch(() => undefined);
  }
}

/** It changes while others run, which the compiler does not see. */
function isEnded(state: string): boolean {
  return state === 'ended';
}
