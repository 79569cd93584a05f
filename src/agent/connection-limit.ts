import type { Socket } from 'node:net';
import { networkOf } from './network-of.ts';

/** One client must not use up all connections that the agent has for everybody. */
export class ConnectionLimit {
  readonly #max: number;
  readonly #open = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes a connection in, or closes it. */
  readonly admit = (socket: Socket): void => {
    const network = networkOf(socket.remoteAddress);
    const open = this.#open.get(network) ?? 0;
    if (open >= this.#max) {
      socket.destroy();
      return;
    }
    this.#open.set(network, open + 1);
    socket.once('close', () => {
      const left = (this.#open.get(network) ?? 1) - 1;
      if (left === 0) this.#open.delete(network);
      else this.#open.set(network, left);
    });
  };
}
