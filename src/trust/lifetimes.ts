import type { Validity } from './issue-certificate.ts';

/** How long what `init` makes is good for. */

const dayMs = 86_400_000;

const authorityMs = 3650 * dayMs;

/** Two years: agents are deployed again more often than that, and no TLS library finds it too long. */
export const certificateMs = 730 * dayMs;

/** Clocks of nodes that wait for their time server may be behind. */
const skewMs = 3_600_000;

export function authorityValidity(now: Date): Validity {
  return from(now, authorityMs);
}

/** What an authority signs ends before it. */
export function certificateValidity(now: Date, authorityEnds: Date): Validity {
  const { notBefore, notAfter } = from(now, certificateMs);
  return { notBefore, notAfter: authorityEnds < notAfter ? authorityEnds : notAfter };
}

/** Certificates count in whole seconds. */
function from(now: Date, lifeMs: number): Validity {
  const at = (ms: number) => new Date(Math.floor(ms / 1000) * 1000);
  return { notBefore: at(now.getTime() - skewMs), notAfter: at(now.getTime() + lifeMs) };
}
