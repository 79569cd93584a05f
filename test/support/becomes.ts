import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until it is so, for 30 s at most. @throws Error with what it was instead */
export async function becomes<T>(look: () => Promise<T> | T, isSo: (value: T) => boolean): Promise<T> {
  let value = await look();
  for (const until = Date.now() + 30_000; !isSo(value); value = await look()) {
    if (Date.now() > until) throw new Error(`it did not become so: ${JSON.stringify(value)}`);
    await sleep(20);
  }
  return value;
}
