import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { malformedAnswer } from '../http/malformed.ts';
import { LineLimit } from '../line-limit.ts';
import type { Log } from '../log.ts';

/**
 * What becomes of connections that do not get through the handshake: they are told in the log, and one that speaks
 * plain HTTP hears so in HTTP, which is all that it understands.
 */
export function tellTlsRefusals(server: Server, log: Log): void {
  const raw = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const key = keyOf(socket);
    raw.set(key, socket);
    socket.once('close', () => raw.delete(key));
  });
  server.on('secureConnection', (socket) => raw.delete(keyOf(socket)));

  const lines = new LineLimit();
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    const key = keyOf(socket);
    const plain = raw.get(key);
    raw.delete(key);
    if (error.code === 'ERR_SSL_HTTP_REQUEST' && plain?.writable) plain.write(speakHttps());
    // Also a handshake that did not come in time: nobody else closes it
    socket.destroy();
    // Of a client certificate that did not do
    const code = String(socket.authorizationError ?? error.code);
    // Health checks of load balancers connect and close
    if (code === 'ECONNRESET') return;
    const line = lines.next();
    if (line !== undefined) log.info({ who: socket.remoteAddress, code, ...line }, 'connection refused');
  });
}

function keyOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`;
}

function speakHttps(): string {
  return malformedAnswer('400 Bad Request', {
    code: 'node_untrusted',
    message: 'the agent speaks HTTPS here, and the request came in plain HTTP',
    hint: `Write https:// in place of http://; imgctl --nodes takes HOST:PORT too.`,
  });
}
