import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { ConnectionLimit } from './connection-limit.ts';
import type { AgentLimits } from './http/context.ts';
import { holdBack } from './http/expect-continue.ts';
import { answerMalformed } from './http/malformed.ts';
import type { ListenAddress } from './listen.ts';
import { listenError } from './listen-error.ts';
import type { Log } from './log.ts';
import type { TlsIdentity } from './tls/identity.ts';
import { tellTlsRefusals } from './tls/tls-refusals.ts';

export type AgentServer = Server | TlsServer;

/** Far more than commands and peers need, far less than a process may have open. */
const maxConnections = 1000;
/** A command has up to 64 at once; several may come from one address. */
const maxConnectionsPerAddress = 256;
/** Node.js's own default, written out: what an agent takes from strangers should not change with it. */
const maxHeaderBytes = 16 * 1024;

interface ServeOptions {
  readonly limits: Pick<AgentLimits, 'headersMs'>;
  readonly log: Log;
  /** Absent: plain HTTP. */
  readonly tls?: TlsIdentity | undefined;
}

/** One server an address, all over one router. @throws ImgctlError `address_in_use`, `usage` */
export async function listenOn(
  addresses: readonly ListenAddress[],
  handle: RequestListener,
  options: ServeOptions,
): Promise<readonly AgentServer[]> {
  const servers: AgentServer[] = [];
  const perAddress = new ConnectionLimit(maxConnectionsPerAddress);
  try {
    for (const address of addresses) {
      const server = createAgentServer(handle, options);
      server.prependListener('connection', perAddress.admit);
      await listen(server, address);
      servers.push(server);
    }
    return servers;
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}

/** What new handshakes see; connections that are there go on with what they began with. */
export function showIdentity(servers: readonly AgentServer[], identity: TlsIdentity): void {
  for (const server of servers)
    if ('setSecureContext' in server) server.setSecureContext(secureContext(identity));
}

function createAgentServer(handle: RequestListener, { limits, log, tls }: ServeOptions): AgentServer {
  const { headersMs } = limits;
  const http = {
    headersTimeout: headersMs,
    // A blob takes as long as it takes: bodies have limits of their own
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(5_000, headersMs),
    keepAliveTimeout: 75_000,
    maxHeaderSize: maxHeaderBytes,
  };
  const server =
    tls === undefined
      ? createServer(http, handle)
      : createTlsServer({ ...http, ...secureContext(tls), ...clientCertificates(tls, headersMs) }, handle);
  server.maxConnections = maxConnections;
  server.on('checkContinue', (request, response) => {
    holdBack(request, response);
    handle(request, response);
  });
  server.on('clientError', answerMalformed);
  if ('setSecureContext' in server) tellTlsRefusals(server, log);
  return server;
}

function secureContext({ cert, key, clientCa }: TlsIdentity) {
  const minVersion = 'TLSv1.2' as const;
  return { cert, key, minVersion, ...(clientCa === undefined ? {} : { ca: clientCa }) };
}

function clientCertificates({ clientCa }: TlsIdentity, handshakeTimeout: number) {
  const wanted = clientCa !== undefined;
  return { requestCert: wanted, rejectUnauthorized: wanted, handshakeTimeout };
}

async function listen(server: AgentServer, address: ListenAddress): Promise<void> {
  server.listen({ host: address.host, port: address.port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw await listenError(address, error as NodeJS.ErrnoException);
  }
}

export function boundAddress(server: AgentServer): ListenAddress {
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port };
}
