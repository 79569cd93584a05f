import { ImgctlError } from '../errors.ts';
import { formatPlatform, parsePlatform } from '../image/platform.ts';

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
