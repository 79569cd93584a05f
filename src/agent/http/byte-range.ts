/** One range of bytes out of `size`, as a `Range` header asks for it (RFC 9110, 14.1.2). */
export type RangeRequest =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' };

/** `end` is exclusive. Several ranges, and what is not understood, may be answered with the whole: it is. */
export function parseRange(header: string | undefined, size: number): RangeRequest {
  const match =
    header === undefined ? null : /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header.replaceAll(' ', ''));
  if (match === null) return { kind: 'whole' };
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return { kind: 'whole' };
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return { kind: 'whole' };
  if (start >= size) return { kind: 'unsatisfiable' };
  return { kind: 'part', start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}
