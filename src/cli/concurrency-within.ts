import type { FanOutOptions } from '../distribute/fan-out-options.ts';
import { ImgctlError } from '../errors.ts';
import type { RateOptions } from './options.ts';

/** Agents give up a body that brings less than 256 bytes/s over a minute: each upload gets twice that, and should eight times. */
const leastEach = 512;
const enoughEach = 2048;
const byDefault = 4;

interface Wanted extends RateOptions, Pick<FanOutOptions, 'relay'> {
  readonly concurrency?: number | undefined;
}

/**
 * Blobs in flight at once, for each node or, where they pass them on, over each link: what was asked for, but no more
 * than the rate has bytes for. Undefined: what suits.
 * @throws ImgctlError `usage`: the rate is too low for so many nodes
 */
export function concurrencyWithin(wanted: Wanted, nodes: number): number | undefined {
  const { concurrency, maxRate, relay = 'off' } = wanted;
  if (maxRate === undefined) return concurrency;
  const uplinkOf = relay === 'off' ? nodes : 1;
  if (maxRate / uplinkOf < leastEach) {
    const leastK = Math.ceil((leastEach * uplinkOf * 8) / 1000);
    throw new ImgctlError('usage', `--max-rate is too low to send to ${nodes} nodes at once`, {
      hint: `Give ${leastK}k or more, let the nodes pass images on to each other (not --relay off), or name fewer nodes.`,
    });
  }
  const most = Math.max(1, Math.floor(maxRate / uplinkOf / enoughEach));
  return most >= (concurrency ?? byDefault) ? concurrency : most;
}
