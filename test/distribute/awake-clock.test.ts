import { expect, it } from 'vitest';
import { AwakeClock } from '../../src/distribute/awake-clock.ts';

it('time goes on while the process lives, and stands still while it is stopped', () => {
  let now = 1_000;
  const clock = new AwakeClock(() => now);
  const after = (ms: number) => {
    now += ms;
    return clock.now();
  };

  const begun = clock.now();
  expect([after(500), after(2_000)]).toEqual([begun + 500, begun + 2_500]);
  expect(after(3_600_000)).toBe(begun + 2_500);
  expect(after(500)).toBe(begun + 3_000);
});
