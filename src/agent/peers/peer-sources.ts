import { FetchWindow } from '../../transfer/fetch/fetch-window.ts';
import type { Peers } from '../../transfer/fetch/peers.ts';
import type { PeerClients } from './peer-clients.ts';

interface PeerSourcesOptions {
  readonly clients: PeerClients;
  /** A peer that sends no more than a trickle for so long is given up. Milliseconds. */
  readonly stallMs: number;
  onBytes(bytes: number): void;
}

/** Other agents as places that imports get blobs from. */
export function peerSources({ clients, stallMs, onBytes }: PeerSourcesOptions): Peers {
  return {
    window: new FetchWindow(),
    stallMs,
    mustName: (url) => void clients.parse(url),
    borrow: (url) => {
      const borrowed = clients.borrow(url);
      return {
        async *read(range, signal) {
          for await (const chunk of borrowed.client.readBlob(range, signal)) {
            onBytes(chunk.byteLength);
            yield chunk;
          }
        },
        [Symbol.dispose]: () => borrowed[Symbol.dispose](),
      };
    },
  };
}
