import type { ServerResponse } from 'node:http';
import { ImgctlError } from '../../errors.ts';

/** Aborts when the client leaves before it is answered. */
export function clientGone(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const abort = () => {
    if (!response.writableFinished) controller.abort(new ImgctlError('interrupted', 'the client went away'));
  };
  if (response.destroyed) abort();
  else response.once('close', abort);
  return controller.signal;
}
