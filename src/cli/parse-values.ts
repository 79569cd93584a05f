import { ImgctlError } from '../errors.ts';
import { formatPlatform, parsePlatform } from '../image/platform.ts';
import { leastRate, mostRate } from '../streams/rate-limit.ts';

/** The values of options, from text to what they mean. All throw ImgctlError `usage` (or `platform_invalid`). */

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Timers count in 32 bits. */
const longestMs = 2 ** 31 - 1;

/** `500ms`, `30s`, `1m30s`, `2h`: milliseconds. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  const whole = parts.map(([part]) => part).join('') === text;
  const ms = parts.reduce((sum, [, number, unit]) => sum + Number(number) * (unitMs[unit ?? ''] ?? 0), 0);
  if (parts.length > 0 && whole && ms >= 1 && ms <= longestMs) return Math.round(ms);
  throw new ImgctlError('usage', `not a duration: ${JSON.stringify(text)}`, {
    hint: /^\d+$/.test(text)
      ? `Write its unit: ${text}s or ${text}m.`
      : 'For example 500ms, 30s, 2m or 1m30s.',
  });
}

/** `90m`, `24h`, `7d`, and `0`: milliseconds, of days and years that no timer counts. */
export function parseLongDuration(text: string): number {
  const [, number, unit = ''] = /^(\d{1,5})(s|m|h|d)$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * (unit === 'd' ? 86_400_000 : (unitMs[unit] ?? 0));
  if (text === '0') return 0;
  throw new ImgctlError('usage', `not a duration: ${JSON.stringify(text)}`, {
    hint: 'For example 90m, 24h or 7d; 0 for none.',
  });
}

const prefixes: Readonly<Record<string, number>> = { k: 1e3, M: 1e6, G: 1e9 };

/**
 * As networks are named: `200M` is 200 Mbit/s, `25MB` the same in bytes a second; k, M and G are powers of 1000.
 * In bytes a second.
 */
export function parseRate(text: string): number {
  const [, number, prefix = '', unit] = /^(\d{1,6}(?:\.\d{1,3})?)([kMG])(B|bit)?$/.exec(text) ?? [];
  const units = Number(number) * (prefixes[prefix] ?? 0);
  const rate = Math.round(unit === 'B' ? units : units / 8);
  if (rate >= leastRate && rate <= mostRate) return rate;
  if (number !== undefined)
    throw new ImgctlError('usage', `not a rate from 100k to 1000G: ${JSON.stringify(text)}`, {
      hint: 'With less than 100 kbit/s, transfers would pass for stalled. k, M and G are bits a second, kB, MB and GB bytes.',
    });
  throw new ImgctlError('usage', `not a rate: ${JSON.stringify(text)}`, {
    hint: /^\d+$/.test(text)
      ? `Write its unit: ${text}M is ${text} Mbit/s, ${text}MB is ${text} megabytes a second.`
      : 'For example 200M (Mbit/s), 1.5G, 800k, or in bytes a second 25MB.',
  });
}

/** Powers of 1024, as split and dd have them; with a B of 1000, as media are sold. */
const sizeUnits: Readonly<Record<string, number>> = {
  M: 1024 ** 2,
  G: 1024 ** 3,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  MB: 1e6,
  GB: 1e9,
};

/** Less would be more parts than anybody carries. */
const leastSize = 16 * 1024 ** 2;

/** `2G`, `650M`, `4.7GB`: bytes. */
export function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d{1,6}(?:\.\d{1,3})?)(\w+)$/.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * (sizeUnits[unit] ?? 0));
  if (bytes >= leastSize) return bytes;
  throw new ImgctlError('usage', `not a size from 16M on: ${JSON.stringify(text)}`, {
    hint: 'For example 2G or 650M (powers of 1024), or 4.7GB (powers of 1000).',
  });
}

/** A whole number within bounds. */
export function parseCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (n >= min && n <= max) return n;
    throw new ImgctlError('usage', `not a number from ${min} to ${max}: ${JSON.stringify(text)}`, {
      hint: `Write a whole number from ${min} to ${max}.`,
    });
  };
}

/** Platforms, apart by commas, added to those before. */
export function addPlatforms(text: string, before: readonly string[] = []): string[] {
  const parts = text.split(',').map((part) => part.trim());
  return [...new Set([...before, ...parts.map((part) => formatPlatform(parsePlatform(part)))])];
}

/** Values in the order in which they were given. */
export function addValue(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** Names apart by commas, added to those before. */
export function addNames(text: string, before: readonly string[] = []): string[] {
  const names = text.split(',').map((name) => name.trim());
  return [...new Set([...before, ...names.filter((name) => name !== '')])];
}
