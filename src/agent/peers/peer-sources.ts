import { FetchWindow } from '../../transfer/fetch/fetch-window.ts';
import type { Peers } from '../../transfer/fetch/peers.ts';
import type { PeerClients } from './peer-clients.ts';

interface PeerSourcesOptions {
  readonly clients: PeerClients;
  /** A peer that sends no more than a trickle for so long is given up. Milliseconds. */
  readonly stallMs: number;
  onBytes(bytes: number): void;
}

/** Other agents as places that an import gets blobs from; what they send for it stays below its `maxRate`. */
export function peerSources({ clients, stallMs, onBytes }: PeerSourcesOptions): (maxRate?: number) => Peers {
  const window = new FetchWindow();
  return (maxRate) => ({
    window,
    stallMs,
    mustName: (url) => void clients.parse(url),
    borrow: (url) => {
      const borrowed = clients.borrow(url);
      return {
        async *read(range, signal) {
          for await (const chunk of borrowed.client.readBlob({ ...range, maxRate }, signal)) {
            onBytes(chunk.byteLength);
            yield chunk;
          }
        },
        [Symbol.dispose]: () => borrowed[Symbol.dispose](),
      };
    },
  });
}
