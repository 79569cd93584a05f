import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { routes } from '../../agent-api/routes.ts';
import { malformedAnswer } from '../http/malformed.ts';
import type { Log } from '../log.ts';

/** A log that anybody can write to by connecting must not fill the disk. */
const linesPerMinute = 30;

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

  let [minute, told] = [0, 0];
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    const key = keyOf(socket);
    const plain = raw.get(key);
    raw.delete(key);
    if (error.code === 'ERR_SSL_HTTP_REQUEST' && plain?.writable) plain.write(speakHttps());
    // Also a handshake that did not come in time: nobody else closes it
    socket.destroy();
    const now = Math.floor(performance.now() / 60_000);
    if (now !== minute) [minute, told] = [now, 0];
    told += 1;
    if (told > linesPerMinute) return;
    // Of a client certificate that did not do
    const code = String(socket.authorizationError ?? error.code);
    // Health checks of load balancers connect and close
    if (code !== 'ECONNRESET') log.info({ who: socket.remoteAddress, code }, 'connection refused');
  });
}

function keyOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`;
}

function speakHttps(): string {
  return malformedAnswer('400 Bad Request', {
    code: 'node_untrusted',
    message: 'the agent speaks HTTPS here, and the request came in plain HTTP',
    hint: `Write https:// before the host, or nothing: for example https://HOST:PORT${routes.healthz}.`,
  });
}
