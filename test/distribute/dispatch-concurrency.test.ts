import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { customer, dispatchOf, missingLayers, untilAborted } from './test-dispatch.ts';

const layers = missingLayers(40, 64 * 1024 * 1024);

/** Large blobs that are on their way at once to four nodes which never have enough. */
async function inFlight(concurrency: number | undefined): Promise<number> {
  const nodes = ['a', 'b', 'c', 'd'];
  using dispatch = dispatchOf(layers, { nodes, concurrency });
  let puts = 0;
  const put: ImportHandle['put'] = (_blob, _body, stop) => {
    puts += 1;
    return untilAborted(stop);
  };
  for (const name of nodes) dispatch.bring(customer(name, layers, { put }, { leads: true })).catch(() => {});
  await sleep(50);
  return puts;
}

it('as many large blobs go over a link at once as was asked for, where that was', async () => {
  const [one, six, byItself] = [await inFlight(1), await inFlight(6), await inFlight(undefined)];
  expect([one, six]).toEqual([one, 6 * one]);
  expect(byItself).toBeGreaterThan(one);
  expect(byItself).toBeLessThan(six);
});
