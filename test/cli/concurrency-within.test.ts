import { describe, expect, it } from 'vitest';
import { concurrencyWithin } from '../../src/cli/concurrency-within.ts';

describe('blobs in flight at once', () => {
  it.each([
    ['what was asked for, without a rate', { concurrency: 9 }, 500, 9],
    ['left to what suits, where nothing was said', {}, 500, undefined],
    ['what was asked for, where the rate has enough for it', { concurrency: 9, maxRate: 25_000_000 }, 500, 9],
    ['left to what suits, where the rate has enough', { maxRate: 25_000_000 }, 500, undefined],
    ['fewer, where each would get next to nothing', { concurrency: 64, maxRate: 125_000 }, 10, 6],
    ['fewer than by default too', { maxRate: 125_000 }, 30, 2],
    ['one, with the least that is not refused', { maxRate: 12_500 }, 24, 1],
    ['those over one link, with relays', { concurrency: 64, maxRate: 125_000, relay: 'auto' }, 500, 61],
  ] as const)('are %s', (_, wanted, nodes, expected) => {
    expect(concurrencyWithin(wanted, nodes)).toBe(expected);
  });

  it('need a rate of which every node gets something', () => {
    expect(() => concurrencyWithin({ maxRate: 12_500 }, 25)).toThrow(
      expect.objectContaining({ code: 'usage', hint: expect.stringContaining('Give 103k or more') }),
    );
    expect(concurrencyWithin({ maxRate: 12_500, relay: 'auto' }, 5000)).toBeUndefined();
  });
});
