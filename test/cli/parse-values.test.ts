import { describe, expect, it } from 'vitest';
import {
  addPlatforms,
  parseCount,
  parseDuration,
  parseLongDuration,
  parseRate,
  parseSize,
} from '../../src/cli/parse-values.ts';

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

describe('a rate', () => {
  it.each([
    ['200M', 25_000_000],
    ['200Mbit', 25_000_000],
    ['25MB', 25_000_000],
    ['1G', 125_000_000],
    ['1.5G', 187_500_000],
    ['100k', 12_500],
    ['12.5kB', 12_500],
    ['800k', 100_000],
    ['1000G', 125_000_000_000],
  ])('of %s is %i bytes a second', (text, rate) => {
    expect(parseRate(text)).toBe(rate);
  });

  it.each([
    ...['', 'M', '200', '-1M', '+1M', '0x1M', '1e3M', '200 M', ' 200M', '200m', '200K', '200Mb', '200MiB'],
    ...['200Mbps', '200M/s', '1.M', '.5M', '1,5M', '1.2345M', '200T', 'NaNM', 'infinity', '1234567M'],
  ])('is not %j', (text) => {
    expect(() => parseRate(text)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringMatching(/^not a rate: /) }),
    );
  });

  it.each(['0M', '0.000k', '99k', '12.4kB', '1001G', '126GB'])(
    'is neither so low nor so high as %s',
    (text) => {
      expect(() => parseRate(text)).toThrow(/^not a rate from 100k to 1000G/);
    },
  );

  it('without a unit gets a hint that names them', () => {
    expect(() => parseRate('200')).toThrow(
      expect.objectContaining({
        hint: 'Write its unit: 200M is 200 Mbit/s, 200MB is 200 megabytes a second.',
      }),
    );
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

describe('a size', () => {
  it.each([
    ['2G', 2 * 1024 ** 3],
    ['650M', 650 * 1024 ** 2],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['4.7GB', 4.7e9],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '2', 'G', '-2G', '2T', '2 G', '15M', '1e9', '2GBit'])('%j is refused', (text) => {
    expect(() => parseSize(text)).toThrow('not a size');
  });
});
