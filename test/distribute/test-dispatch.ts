import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import type { MissingBlob } from '../../src/agent-api/schemas.ts';
import { Dispatch, type DispatchOptions } from '../../src/distribute/dispatch.ts';
import type { Customer } from '../../src/distribute/order.ts';
import { digestOf } from '../../src/image/digest.ts';
import { SourceCheck } from '../../src/transfer/source-check.ts';
import { WireEncoding } from '../../src/transfer/wire-encoding.ts';
import { memorySource } from '../support/memory-source.ts';

/** Layers of which nodes have nothing yet; what each holds does not matter. */
export function missingLayers(count: number, size: number): readonly MissingBlob[] {
  return Array.from({ length: count }, (_, i) => ({
    digest: digestOf(Buffer.from(`layer ${i}`)),
    mediaType: 'application/octet-stream',
    size,
    offset: 0,
  }));
}

/** A dispatch of layers. `inSource`: whether the command has them; else nodes alone may. */
export function dispatchOf(
  layers: readonly MissingBlob[],
  {
    inSource = true,
    ...options
  }: Partial<DispatchOptions> & { nodes: readonly string[]; inSource?: boolean },
): Dispatch {
  const sizes = new Map(layers.map(({ digest, size }) => [digest, size]));
  const source = {
    ...memorySource([], []),
    sizeOf: (digest: MissingBlob['digest']) => (inSource ? sizes.get(digest) : undefined),
  };
  return new Dispatch({
    source,
    check: new SourceCheck(source),
    wire: new WireEncoding({ source, mode: 'none', threads: 1 }),
    layers: [...sizes.keys()],
    relay: 'auto',
    signal: new AbortController().signal,
    ...options,
  });
}

/** A node that passes on and fetches, whose agent answers as `handle` does. */
export function customer(
  name: string,
  lacks: readonly MissingBlob[],
  handle: Partial<ImportHandle>,
  more: Partial<Customer> = {},
): Customer {
  return {
    name,
    url: `http://${name}:1`,
    handle: { id: name, ...handle } as ImportHandle,
    lacks,
    has: [],
    relays: true,
    fetches: true,
    leads: false,
    zstd: false,
    signal: new AbortController().signal,
    sent: () => {},
    touch: () => {},
    fetched: () => {},
    ...more,
  };
}

/** A request that lasts until it is given up. */
export function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
}
