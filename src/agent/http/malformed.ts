import type { Socket } from 'node:net';
import type { WireError } from '../../agent-api/errors.ts';

/** What is no HTTP, or comes too slowly, never reaches the router: it is answered by hand. */
export function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'the head of the request did not come in time']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the head of the request is too large']
        : ['400 Bad Request', 'this is not an HTTP request'];
  socket.end(malformedAnswer(status, { code: 'request_invalid', message }));
}

export function malformedAnswer(status: string, error: WireError): string {
  const body = JSON.stringify({ error });
  return `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
