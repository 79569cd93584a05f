import { expect, it } from 'vitest';
import { BackOff } from '../../../src/agent/images-dir/back-off.ts';
import { ImgctlError } from '../../../src/errors.ts';

it('what fails is waited for from ten seconds, doubled each time to five minutes, each by itself, as the kubelet does', () => {
  const backOff = new BackOff({ firstMs: 10_000, mostMs: 300_000 });
  const error = new ImgctlError('pull_failed', 'no such image');
  const seconds = [1, 2, 3, 4, 5, 6, 7].map(() => {
    backOff.failed('a', error);
    // Some of it is over by now
    return Math.round(backOff.waitMs('a') / 1000);
  });

  expect(seconds).toEqual([10, 20, 40, 80, 160, 300, 300]);
  expect(backOff.waitMs('b')).toBe(0);
  backOff.forget('a');
  expect(backOff.waitMs('a')).toBe(0);
});
