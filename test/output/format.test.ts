import { describe, expect, it } from 'vitest';
import { formatBytes, formatClock, formatDuration, formatPart, formatRate } from '../../src/output/format.ts';

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [1024 ** 2 - 1, '1.0 MiB'],
    [512 * 1024 ** 2, '512.0 MiB'],
    [1024 ** 5 * 3, '3.0 PiB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('of a part are in the unit of the whole, and never more than it', () => {
    expect(formatPart(1024, 1024 ** 2)).toBe('0.0/1.0 MiB');
    expect(formatPart(5 * 1024 ** 2, 1024 ** 2)).toBe('1.0/1.0 MiB');
  });

  it('over time have a second', () => {
    expect(formatRate(1024 ** 2)).toBe('1.0 MiB/s');
  });
});

describe('times', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1000, '1.0 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min 00 s'],
    [125_000, '2 min 05 s'],
    [3_780_000, '1 h 03 min'],
  ])('%i ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('on a clock keep their shape', () => {
    expect([8_000, 760_000, 3_725_000, -5].map(formatClock)).toEqual(['0:08', '12:40', '1:02:05', '0:00']);
  });
});
