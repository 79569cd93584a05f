import type { ServerResponse } from 'node:http';
import { ImgctlError } from '../../errors.ts';
import { giveBackChunk } from '../../streams/chunk-pool.ts';

/**
 * Writes, and waits while the client is behind. A lent chunk is given back once the socket has taken it.
 * @throws ImgctlError `interrupted` when it goes away, or reads nothing for `idleMs`
 */
export async function writeOut(
  response: ServerResponse,
  data: string | Uint8Array,
  idleMs: number,
): Promise<void> {
  if (response.destroyed) throw gone();
  if (response.write(data, (error) => error ?? settle(data))) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = () => reject(gone());
  const timer = setTimeout(() => reject(new ImgctlError('interrupted', 'the client reads nothing')), idleMs);
  response.once('drain', resolve).once('close', onClose);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    response.off('drain', resolve).off('close', onClose);
  }
}

function settle(data: string | Uint8Array): void {
  if (typeof data !== 'string') giveBackChunk(data);
}

function gone(): ImgctlError {
  return new ImgctlError('interrupted', 'the client went away');
}
