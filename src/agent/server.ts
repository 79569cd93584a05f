import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { AgentLimits } from './http/context.ts';
import { holdBack } from './http/expect-continue.ts';
import type { ListenAddress } from './listen.ts';
import { listenError } from './listen-error.ts';

/** Far more than commands and peers need, far less than a process may have open. */
const maxConnections = 1000;

/** One server an address, all over one router. @throws ImgctlError `address_in_use`, `usage` */
export async function listenOn(
  addresses: readonly ListenAddress[],
  handle: RequestListener,
  limits: Pick<AgentLimits, 'headersMs'>,
): Promise<readonly Server[]> {
  const servers: Server[] = [];
  try {
    for (const address of addresses) servers.push(await listen(address, handle, limits));
    return servers;
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}

async function listen(
  address: ListenAddress,
  handle: RequestListener,
  { headersMs }: Pick<AgentLimits, 'headersMs'>,
): Promise<Server> {
  const server = createServer(
    {
      headersTimeout: headersMs,
      // A blob takes as long as it takes: bodies have an idle limit of their own
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(5_000, headersMs),
      keepAliveTimeout: 75_000,
    },
    handle,
  );
  server.maxConnections = maxConnections;
  server.on('checkContinue', (request, response) => {
    holdBack(request, response);
    handle(request, response);
  });
  server.on('clientError', answerMalformed);
  server.listen({ host: address.host, port: address.port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw await listenError(address, error as NodeJS.ErrnoException);
  }
  return server;
}

export function boundAddress(server: Server): ListenAddress {
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port };
}

/** What is no HTTP, or comes too slowly, never reaches the router: it is answered by hand. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
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
  const body = JSON.stringify({ error: { code: 'request_invalid', message } });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}
