import { ImgctlError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../image/digest.ts';

/** Parameters of paths and queries: strings from a stranger, as the values that they should be. */

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export function pathParameter(params: unknown, name: string): string {
  const value = (params as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : '';
}

/** @throws ImgctlError `digest_invalid` */
export function digestParameter(params: unknown): Digest {
  return parseDigest(pathParameter(params, 'digest'));
}

/** A count of bytes; 0 when absent. @throws ImgctlError `request_invalid` */
export function offsetParameter(query: Query): number {
  const text = single(query, 'offset') ?? '0';
  const offset = Number(text);
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(offset)) return offset;
  throw invalid('offset', 'a number of bytes');
}

/** `true`, `1` or bare (`?pin`) are yes; `false` and `0` are no. @throws ImgctlError `request_invalid` */
export function flagParameter(query: Query, name: string): boolean | undefined {
  const text = single(query, name);
  if (text === undefined) return undefined;
  if (text === '' || text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw invalid(name, 'true or false');
}

export function single(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(name, 'given once');
}

export function several(query: Query, name: string): readonly string[] {
  const value = query[name];
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

function invalid(name: string, what: string): ImgctlError {
  return new ImgctlError('request_invalid', `the parameter ${name} must be ${what}`);
}
