import { describe, expect, it } from 'vitest';
import { mayPass, retryDelayMs } from '../../src/distribute/retry.ts';
import { ImgctlError } from '../../src/errors.ts';

const broken = new ImgctlError('node_unreachable', 'the connection broke');
const busy = (retryAfterMs: number) => new ImgctlError('overloaded', 'full', { context: { retryAfterMs } });

describe('the wait before a retry', () => {
  it('doubles up to 15 s, and has jitter', () => {
    expect([1, 2, 3, 6, 20].map((attempt) => retryDelayMs(attempt, broken, () => 1))).toEqual([
      500, 1_000, 2_000, 15_000, 15_000,
    ]);
    expect(retryDelayMs(1, broken, () => 0)).toBe(250);
  });

  it('is no shorter than the node asked for, up to a minute', () => {
    expect(retryDelayMs(1, busy(5_000), () => 0)).toBe(5_250);
    expect(retryDelayMs(1, busy(3_600_000), () => 0)).toBe(60_250);
    expect(retryDelayMs(1, busy(-1), () => 0)).toBe(250);
  });

  it.each([
    ['overloaded', true],
    ['node_untrusted', false],
    ['node_unauthorized', false],
  ] as const)('comes after %s: %s', (code, passes) => {
    expect(mayPass(new ImgctlError(code, ''))).toBe(passes);
  });
});
