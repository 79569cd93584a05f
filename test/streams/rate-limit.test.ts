import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Flow, RateLimit } from '../../src/streams/rate-limit.ts';
import { FakeClock } from './fake-clock.ts';

const rate = 1_000_000;
const burst = rate / 20;

interface Passed {
  readonly atMs: number;
  readonly bytes: number;
}

/** Takes pieces of this size for ever; answers what it got, as it gets it. */
function taking(clock: FakeClock, flow: Flow, bytes: number, signal?: AbortSignal): Passed[] {
  const passed: Passed[] = [];
  void (async () => {
    for (;;) {
      await flow.take(bytes, signal);
      passed.push({ atMs: clock.now(), bytes });
    }
  })().catch(() => {});
  return passed;
}

const sum = (passed: readonly Passed[]) => passed.reduce((total, { bytes }) => total + bytes, 0);

describe('a rate limit', () => {
  it('lets no more pass in any stretch of time than its rate allows for it, and one burst', async () => {
    const pieces = fc.array(fc.integer({ min: 500, max: burst }), { minLength: 1, maxLength: 6 });
    const steps = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(pieces, steps, async (sizes, waits) => {
        const clock = new FakeClock();
        const limit = new RateLimit(rate, clock);
        const ending = new AbortController();
        const taken = sizes.map((size) => taking(clock, limit.flow(), size, ending.signal));
        for (const ms of waits) await clock.pass(ms);
        ending.abort();
        const all = taken.flat().toSorted((a, b) => a.atMs - b.atMs);
        // What stands in a bucket that leaks at the rate: the most that passed in any stretch of time beyond the rate's
        let level = 0;
        let before = 0;
        for (const { atMs, bytes } of all) {
          level = Math.max(0, level - (rate * (atMs - before)) / 1000) + bytes;
          before = atMs;
          expect(level).toBeLessThanOrEqual(burst + 1e-3);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('gives those who always have more to send the same number of bytes, whatever their pieces', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(rate, clock);
    const ending = new AbortController();
    const taken = [1_000, 7_000, 25_000].map((size) => taking(clock, limit.flow(), size, ending.signal));
    await clock.pass(10_000);
    ending.abort();
    for (const passed of taken) expect(Math.abs(sum(passed) - (10 * rate) / 3)).toBeLessThan(2 * burst);
  });

  it('is used up to its rate', async () => {
    const clock = new FakeClock();
    const ending = new AbortController();
    const passed = taking(clock, new RateLimit(rate, clock).flow(), 10_000, ending.signal);
    await clock.pass(10_000);
    ending.abort();
    expect(sum(passed)).toBeGreaterThan(9.9 * rate);
  });

  it('gives nothing for later to who did not send, beyond a burst', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(rate, clock);
    const ending = new AbortController();
    const busy = taking(clock, limit.flow(), 10_000, ending.signal);
    await clock.pass(5_000);
    const before = sum(busy);
    const late = taking(clock, limit.flow(), 10_000, ending.signal);
    await clock.pass(1_000);
    ending.abort();
    expect(Math.abs(sum(late) - (sum(busy) - before))).toBeLessThan(2 * burst);
  });

  it('holds nobody up and keeps no timer where it is none', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(Number.POSITIVE_INFINITY, clock);
    expect([limit.flow().take(1e12), limit.flow().limited, clock.timers]).toEqual([undefined, false, 0]);
  });

  it('lets those who wait go on at the new rate when it is changed', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(rate, clock);
    const ending = new AbortController();
    const passed = taking(clock, limit.flow(), 10_000, ending.signal);
    await clock.pass(1_000);
    const before = sum(passed);
    limit.rate = rate / 10;
    await clock.pass(1_000);
    const slow = sum(passed) - before;
    expect(slow).toBeLessThanOrEqual(rate / 10 + burst);
    limit.rate = rate;
    await clock.pass(1_000);
    ending.abort();
    expect(sum(passed) - before - slow).toBeGreaterThan(0.9 * rate);
  });

  it('lets pieces go that were cut for a higher rate', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(rate, clock);
    const flow = limit.flow();
    const first = flow.take(burst);
    const large = flow.take(burst);
    limit.rate = rate / 10;
    await clock.pass(600);
    await Promise.all([first, large]);
    expect(clock.timers).toBe(0);
  });

  it('lets all go when there is no limit any more', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(rate, clock);
    const flow = limit.flow();
    const waiting = Array.from({ length: 20 }, () => flow.take(burst));
    limit.rate = Number.POSITIVE_INFINITY;
    await Promise.all(waiting);
    expect(clock.timers).toBe(0);
  });

  it('ends the waiting with the reason of the signal, holds up nobody for it, and keeps no timer', async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(rate, clock);
    void limit.flow().take(burst);
    const gone = new AbortController();
    const left = limit.flow().take(burst, gone.signal);
    const other = limit.flow().take(1_000);
    gone.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    await clock.pass(2);
    await other;
    expect(clock.timers).toBe(0);
    await expect(limit.flow().take(burst, gone.signal)).rejects.toThrow('gone');
    expect(clock.timers).toBe(0);
  });

  it('tells for how long somebody waited, and when last', async () => {
    const clock = new FakeClock();
    const flow = new RateLimit(rate, clock).flow();
    expect([flow.waitedMs, flow.waitedAt]).toEqual([0, Number.NEGATIVE_INFINITY]);
    void flow.take(burst);
    const two = [flow.take(burst), flow.take(burst)];
    await clock.pass(80);
    expect([flow.waitedMs, flow.waitedAt]).toEqual([80, 80]);
    await clock.pass(900);
    await Promise.all(two);
    expect([flow.waitedMs, flow.waitedAt]).toEqual([100, 100]);
  });
});
