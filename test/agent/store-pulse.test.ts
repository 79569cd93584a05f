import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { StorePulse } from '../../src/agent/store-pulse.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';

it('a store that owes an answer for too long has no pulse, until it answers', async () => {
  let hang: PromiseWithResolvers<void> | undefined;
  const pulse = new StorePulse(createMemoryStore({ faults: { info: () => hang?.promise } }), 50);

  expect(pulse.beats).toBe(true);
  await sleep(100);
  expect(pulse.beats).toBe(true);
  await sleep(10);
  hang = Promise.withResolvers();
  expect(pulse.beats).toBe(true);
  await sleep(100);
  expect(pulse.beats).toBe(false);
  hang.resolve();
  await sleep(10);
  expect(pulse.beats).toBe(true);
});
