import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import type { Channel } from './channel.ts';
import { FrameReader, frame } from './frames.ts';
import type { Input } from './message.ts';
import type { Method } from './method.ts';
import { GrpcError, status } from './status.ts';

/**
 * One remote procedure call over HTTP/2 (grpc/grpc, doc/PROTOCOL-HTTP2.md), in the little that a client of a daemon on
 * the same machine needs: no compression, no TLS, no retries. Bytes that are sent are not copied: with grpc-js, which
 * copies them twice, a gigabyte took four times the processor time and a third more memory.
 */
export class Call<Q, R> {
  readonly #channel: Channel;
  readonly #method: Method<Q, R>;
  readonly #stream: ClientHttp2Stream;
  readonly #closed: Promise<void>;
  #status: { readonly code: number; readonly details: string } | undefined;
  #problem: Error | undefined;

  constructor(channel: Channel, method: Method<Q, R>, metadata: Readonly<Record<string, string>>) {
    this.#channel = channel;
    this.#method = method;
    this.#stream = channel.open({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: method.path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
      ...metadata,
    });
    // A call that fails at once has its status in its headers, any other in its trailers
    this.#stream.on('response', (headers) => this.#take(headers));
    this.#stream.on('trailers', (headers) => this.#take(headers));
    this.#stream.on('error', (error) => {
      this.#problem = error;
    });
    this.#closed = new Promise((resolve) => this.#stream.once('close', resolve));
  }

  /** The pieces in `message` must not change until it was answered. */
  send(message: Input<Q>): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    this.#stream.cork();
    for (const piece of frame(this.#method.request.encode(message))) this.#stream.write(piece);
    this.#stream.uncork();
  }

  /** Nothing more will be sent. */
  end(): void {
    if (!this.#stream.destroyed) this.#stream.end();
  }

  cancel(code: number = status.cancelled, details = 'the call was cancelled'): void {
    this.#status ??= { code, details };
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** The answers, as they come. Ending the iteration early cancels the call. @throws GrpcError */
  async *answers(): AsyncGenerator<R, void, void> {
    const frames = new FrameReader();
    let isDone = false;
    try {
      for await (const chunk of this.#stream) {
        for (const message of frames.push(chunk)) yield this.#method.response.decode(message);
      }
      isDone = true;
    } catch (error) {
      this.#problem ??= error as Error;
    } finally {
      // Done: what this side still has to say interests nobody
      this.#stream.close(isDone ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    }
    await this.#closed;
    if (this.#status?.code !== status.ok) throw this.#failure();
  }

  #failure(): GrpcError {
    if (this.#status !== undefined)
      return new GrpcError(this.#status.code, this.#status.details, this.#problem);
    const problem = this.#channel.problem ?? this.#problem;
    const isPlain =
      problem === undefined || ('code' in problem && problem.code === 'ERR_STREAM_PREMATURE_CLOSE');
    return new GrpcError(status.unavailable, isPlain ? 'the connection was lost' : problem.message, problem);
  }

  #take(headers: IncomingHttpHeaders): void {
    const code = headers['grpc-status'];
    const http = headers[constants.HTTP2_HEADER_STATUS];
    if (code !== undefined)
      this.#status ??= { code: Number(code), details: decoded(String(headers['grpc-message'] ?? '')) };
    else if (http !== undefined && Number(http) !== 200)
      this.#status ??= { code: status.unknown, details: `HTTP status ${http}: not a gRPC server` };
  }
}

/** Messages are percent-encoded; one that is not, wrongly, is shown as it is. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
