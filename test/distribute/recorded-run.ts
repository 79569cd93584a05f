import type { FanOutNode, FanOutOptions } from '../../src/distribute/fan-out-options.ts';
import type { DistributeEvent } from '../../src/distribute/outcome.ts';
import type { ImageSource } from '../../src/image/source.ts';

/** A distribution that is not retried unless a test says so, with all that it told. */
export type RecordedRun = FanOutOptions & { readonly events: readonly DistributeEvent[] };

export function recordedRun(
  nodes: readonly FanOutNode[],
  source: ImageSource,
  more: Partial<FanOutOptions> = {},
): RecordedRun {
  const events: DistributeEvent[] = [];
  return {
    nodes,
    source,
    declaration: {},
    retries: 0,
    stallTimeoutMs: 5_000,
    strict: false,
    concurrency: 3,
    signal: new AbortController().signal,
    onEvent: (event) => events.push(event),
    events,
    ...more,
  };
}
