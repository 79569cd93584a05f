import { describe, expect, it } from 'vitest';
import { addPlatforms, parseCount, parseDuration, parseLongDuration } from '../../src/cli/parse-values.ts';

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1m30s', 90_000],
    ['1.5s', 1_500],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '30', 's', '-1s', '0s', '1d', '1s x', '30 s', '1e3s', '9999h'])('%j is none', (text) => {
    expect(() => parseDuration(text)).toThrow(/not a duration/);
  });

  it('without a unit gets a hint that names one', () => {
    expect(() => parseDuration('30')).toThrow(
      expect.objectContaining({ hint: 'Write its unit: 30s or 30m.' }),
    );
  });
});

describe('a long duration', () => {
  it.each([
    ['0', 0],
    ['45s', 45_000],
    ['90m', 5_400_000],
    ['24h', 86_400_000],
    ['365d', 31_536_000_000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseLongDuration(text)).toBe(ms);
  });

  it.each(['', '5', 'd', '-1d', '1.5d', '1w', '1h30m', '999999d'])('%j is none', (text) => {
    expect(() => parseLongDuration(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

describe('a count', () => {
  it('is a whole number within its bounds', () => {
    const parse = parseCount(0, 10);
    expect([parse('0'), parse('10')]).toEqual([0, 10]);
    for (const text of ['11', '-1', '1.5', '', 'x', '0x1']) expect(() => parse(text)).toThrow(/from 0 to 10/);
  });
});

describe('platforms', () => {
  it('are apart by commas, normalised, and each there once', () => {
    expect(addPlatforms('linux/arm64/v8, aarch64', ['linux/amd64'])).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('that are none are told', () => {
    expect(() => addPlatforms('linux/amd64,')).toThrow(expect.objectContaining({ code: 'platform_invalid' }));
  });
});
