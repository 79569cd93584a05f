import { expect, it } from 'vitest';
import { LineLimit } from '../../src/agent/line-limit.ts';

it('lets so many lines through a minute, and the first one after that says how many it did not', () => {
  let now = 0;
  const limit = new LineLimit(2, () => now);

  expect([limit.next(), limit.next(), limit.next(), limit.next()]).toEqual([{}, {}, undefined, undefined]);
  now = 60_000;
  expect([limit.next(), limit.next(), limit.next()]).toEqual([{ leftOut: 2 }, {}, undefined]);
  now = 180_000;
  expect(limit.next()).toEqual({ leftOut: 1 });
});
