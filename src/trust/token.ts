/** A token as agents accept it, and the form in which an old one is kept for a while after it was changed. */

export interface AcceptedToken {
  readonly token: string;
  /** The moment from which on it counts no more; absent: it counts until it is replaced. */
  readonly until?: Date | undefined;
}

/** What a header can carry (RFC 6750, b64token, and a little more). */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,4096}$/.test(text);
}

/** RFC 3339, section 5.6. `Date` alone takes much more, and reads some of it as local time. */
const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Two lines: the token, and its end. `undefined` when it is anything else. */
export function parsePreviousToken(text: string): AcceptedToken | undefined {
  const [token = '', time = '', ...rest] = text.trim().split(/\r?\n/);
  const until = new Date(rfc3339.test(time) ? time : Number.NaN);
  return rest.length === 0 && isToken(token) && !Number.isNaN(until.getTime()) ? { token, until } : undefined;
}

export function formatPreviousToken({ token, until }: { token: string; until: Date }): string {
  return `${token}\n${until.toISOString()}\n`;
}
