import { describe, expect, it } from 'vitest';
import { isColored, isLive } from '../../src/output/appearance.ts';
import { Captured } from './captured.ts';

const terminal = new Captured({ columns: 80, rows: 24 });
const pipe = new Captured();

describe('how output looks', () => {
  it.each([
    [true, { env: {} }],
    [false, { env: {}, progress: false }],
    [false, { env: { TERM: 'dumb' } }],
    [false, { env: { CI: 'true' } }],
    [true, { env: { CI: 'false' } }],
    [true, { env: { NO_COLOR: '1' } }],
  ])('is live: %j on a terminal with %j', (live, appearance) => {
    expect(isLive(terminal, appearance)).toBe(live);
    expect(isLive(pipe, appearance)).toBe(false);
  });

  it.each([
    [true, false, { env: {} }],
    [false, false, { env: { NO_COLOR: '1' } }],
    [true, false, { env: { NO_COLOR: '' } }],
    [false, false, { env: { TERM: 'dumb' } }],
    [true, true, { env: { FORCE_COLOR: '1' } }],
    [false, false, { env: { FORCE_COLOR: '0' } }],
    [false, false, { env: { FORCE_COLOR: '1', NO_COLOR: '1' } }],
    [false, false, { env: { FORCE_COLOR: '1' }, color: false }],
  ])('is colored: %j on a terminal and %j in a pipe with %j', (there, piped, appearance) => {
    expect(isColored(terminal, appearance)).toBe(there);
    expect(isColored(pipe, appearance)).toBe(piped);
  });
});
