import { connect, constants } from 'node:http2';
import { connect as connectSocket } from 'node:net';

/**
 * Whether the CRI image service on this socket answers. It does so last of all: the daemon serves its own API, and
 * `ctr version` succeeds, while the CRI plugin still says 'server is not initialized yet'.
 *
 * A gRPC call by hand (an HTTP/2 request with an empty message, its outcome in a trailer), so that the harness
 * does not test the product's client with the product's client.
 */
export function criAnswers(socket: string, timeoutMs = 2_000): Promise<boolean> {
  return new Promise((resolve) => {
    const session = connect('http://localhost', { createConnection: () => connectSocket(socket) });
    const timer = setTimeout(() => settle(false), timeoutMs);
    const settle = (answered: boolean) => {
      clearTimeout(timer);
      session.destroy();
      resolve(answered);
    };
    session.on('error', () => settle(false));
    session.on('close', () => settle(false));

    const request = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/runtime.v1.ImageService/ImageFsInfo',
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    });
    request.on('error', () => settle(false));
    // A failure without a message comes as headers alone, with the status among them.
    request.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined) settle(headers['grpc-status'] === '0');
    });
    request.on('trailers', (trailers) => settle(trailers['grpc-status'] === '0'));
    request.resume();
    // Not compressed, zero bytes long.
    request.end(Buffer.alloc(5));
  });
}
