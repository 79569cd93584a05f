import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * `Expect: 100-continue` (curl -T sends it): the client holds its body back until it is asked for. It is asked only
 * when somebody reads the body, so that a wrong token or a bad parameter costs no upload.
 */
const waiting = new WeakMap<IncomingMessage, ServerResponse>();

export function holdBack(request: IncomingMessage, response: ServerResponse): void {
  waiting.set(request, response);
}

export function isHeldBack(request: IncomingMessage): boolean {
  return waiting.has(request);
}

/** Asks the client for its body, where it waits to be asked. */
export function askForBody(request: IncomingMessage): void {
  const response = waiting.get(request);
  if (response === undefined) return;
  waiting.delete(request);
  if (!response.headersSent) response.writeContinue();
}
