import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until it is so, for 25 s at most: less than a test may take, so that what was seen last is told. @throws Error with what it was instead */
export async function becomes<T>(look: () => Promise<T> | T, isSo: (value: T) => boolean): Promise<T> {
  let value = await look();
  for (const until = Date.now() + 25_000; !isSo(value); value = await look()) {
    if (Date.now() > until) throw new Error(`it did not become so: ${JSON.stringify(value)}`);
    await sleep(20);
  }
  return value;
}
