import * as z from 'zod';
import { ImgctlError } from '../errors.ts';
import { leastRate, mostRate } from '../streams/rate-limit.ts';

/**
 * A bound of an agent's uplink, in bytes a second: an import's declaration has it, for what it has passed on, and a
 * request for a blob has it in this header, for what the asked one sends.
 */
export const maxRateHeader = 'imgctl-max-rate';

export const maxRateSchema = z.number().int().min(leastRate).max(mostRate);

/** Undefined where the request has no such header. @throws ImgctlError `request_invalid` */
export function parseMaxRate(header: string | readonly string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const text = String(header);
  const parsed = maxRateSchema.safeParse(/^\d{1,16}$/.test(text) ? Number(text) : Number.NaN);
  if (parsed.success) return parsed.data;
  throw new ImgctlError(
    'request_invalid',
    `the header ${maxRateHeader} is no number of bytes a second from ${leastRate} to ${mostRate}`,
  );
}
