/** How long a server asks to be left alone (RFC 9110, 10.2.3), in milliseconds: a number of seconds, or a date. */
export function retryAfterMs(header: string | string[] | undefined, now = Date.now()): number | undefined {
  const text = typeof header === 'string' ? header.trim() : '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = text.length > 64 || !/^[A-Z][a-z]{2}/.test(text) ? Number.NaN : Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
