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
  endWith(socket, malformedAnswer(status, { code: 'request_invalid', message }));
}

/** Time to read the answer in: closing with bytes unread resets the connection, and it would be lost. Milliseconds. */
const lingerMs = 1_000;

/** The last that is said on a connection. A client that does not hang up in turn must not keep it. */
export function endWith(socket: Socket, answer: string): void {
  socket.end(answer);
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
}

export function malformedAnswer(status: string, error: WireError): string {
  const body = JSON.stringify({ error });
  return `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
