import type { IncomingMessage } from 'node:http';

export interface DrainBound {
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Reads on, and throws away, what a client is still sending while it is answered already: closing with the body
 * unread would reset the connection, and the client would never see the answer. Returns when the body has ended, the
 * client has gone, or the bound is reached.
 */
export function drain(raw: IncomingMessage, bound: DrainBound): Promise<void> {
  if (raw.complete || raw.destroyed) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = bound.bytes;
  const onData = (chunk: Buffer) => {
    left -= chunk.byteLength;
    if (left < 0) resolve();
  };
  const onEnd = () => resolve();
  const timer = setTimeout(onEnd, bound.ms);
  const ends = ['end', 'close', 'error'] as const;
  for (const event of ends) raw.on(event, onEnd);
  // Whoever was reading has not noticed yet that it is over, and would pause the request when it has read ahead
  raw.removeAllListeners('data');
  raw.on('data', onData);
  raw.resume();
  return promise.finally(() => {
    clearTimeout(timer);
    for (const event of ends) raw.off(event, onEnd);
    raw.off('data', onData);
  });
}
