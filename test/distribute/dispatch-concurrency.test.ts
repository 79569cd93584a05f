import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { Dispatch } from '../../src/distribute/dispatch.ts';
import { digestOf } from '../../src/image/digest.ts';
import { SourceCheck } from '../../src/transfer/source-check.ts';
import { WireEncoding } from '../../src/transfer/wire-encoding.ts';
import { memorySource } from '../support/memory-source.ts';

const size = 64 * 1024 * 1024;
const blobs = Array.from({ length: 40 }, (_, i) => ({
  digest: digestOf(Buffer.from(`layer ${i}`)),
  mediaType: 'application/octet-stream',
  size,
  offset: 0,
}));

/** Large blobs that are on their way at once to four nodes which never have enough. */
async function inFlight(concurrency: number | undefined): Promise<number> {
  const source = { ...memorySource([], []), sizeOf: () => size };
  const nodes = ['a', 'b', 'c', 'd'];
  const { signal } = new AbortController();
  using dispatch = new Dispatch({
    wire: new WireEncoding({ source, mode: 'none', threads: 1 }),
    source,
    check: new SourceCheck(source),
    nodes,
    layers: blobs.map(({ digest }) => digest),
    relay: 'auto',
    concurrency,
    signal,
  });
  let puts = 0;
  const put = (...[, , signal]: Parameters<ImportHandle['put']>) => {
    puts += 1;
    return new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  };
  for (const name of nodes) {
    const handle = { id: name, put } as unknown as ImportHandle;
    const nothing = () => {};
    const told = { sent: nothing, fetched: nothing, touch: nothing };
    const powers = { relays: true, zstd: false, fetches: true, leads: true };
    dispatch
      .bring({ name, url: `http://${name}:1`, handle, lacks: blobs, has: [], signal, ...powers, ...told })
      .catch(nothing);
  }
  await sleep(50);
  return puts;
}

it('as many large blobs go over a link at once as was asked for, where that was', async () => {
  const [one, six, byItself] = [await inFlight(1), await inFlight(6), await inFlight(undefined)];
  expect([one, six]).toEqual([one, 6 * one]);
  expect(byItself).toBeGreaterThan(one);
  expect(byItself).toBeLessThan(six);
});
