import { Call } from './call.ts';
import { Channel } from './channel.ts';
import { toStoreError } from './errors.ts';
import type { Input } from './message.ts';
import type { Method } from './method.ts';
import { GrpcError, status } from './status.ts';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** The lease that what the call makes belongs to. */
  readonly lease?: string | undefined;
  /** Default: the connection's. */
  readonly namespace?: string | undefined;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** Longer than containerd's slowest metadata call. */
const answerWithinMs = 120_000;

/** For calls that return after a garbage collection: it removes files, perhaps tens of thousands from a slow disk. */
export const collectsWithinMs = 15 * 60_000;

/** A containerd, reached over its unix socket. Connects when it is first needed, and again when it was lost. */
export class Connection implements Disposable {
  readonly address: string;
  readonly namespace: string;
  /** Metadata calls must not queue up behind blob bytes. */
  readonly #control: Channel;
  readonly #data: Channel;

  constructor(address: string, namespace: string) {
    this.address = address;
    this.namespace = namespace;
    this.#control = new Channel(address);
    this.#data = new Channel(address);
  }

  /** @throws ImgctlError as `toStoreError` maps it; the signal's reason when it aborts */
  async unary<Q, R>(method: Method<Q, R>, message: Input<Q>, options: CallOptions = {}): Promise<R> {
    const { signal, timeoutMs = answerWithinMs } = options;
    signal?.throwIfAborted();
    const call = new Call(this.#control, method, this.#metadata(options));
    const abort = () => call.cancel();
    const late = () => call.cancel(status.deadlineExceeded, `no answer within ${timeoutMs / 1000} s`);
    const timer = setTimeout(late, timeoutMs).unref();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      call.send(message);
      call.end();
      const answers = await Array.fromAsync(call.answers());
      if (answers[0] === undefined) throw new GrpcError(status.internal, 'the answer is empty');
      return answers[0];
    } catch (error) {
      throw this.#error(error, method, signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** The messages of an answer that is a stream. Ending the iteration early cancels the call. */
  async *stream<Q, R>(
    method: Method<Q, R>,
    message: Input<Q>,
    options: CallOptions = {},
  ): AsyncGenerator<R, void, void> {
    const { signal } = options;
    signal?.throwIfAborted();
    const call = new Call(this.#data, method, this.#metadata(options));
    const abort = () => call.cancel();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      call.send(message);
      call.end();
      yield* call.answers();
    } catch (error) {
      throw this.#error(error, method, signal);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** A stream both ways. Its errors are for `toStoreError` to translate. */
  duplex<Q, R>(method: Method<Q, R>, options: CallOptions = {}): Call<Q, R> {
    return new Call(this.#data, method, this.#metadata(options));
  }

  [Symbol.dispose](): void {
    this.#control[Symbol.dispose]();
    this.#data[Symbol.dispose]();
  }

  #error(thrown: unknown, { path }: { readonly path: string }, signal: AbortSignal | undefined): unknown {
    return signal?.aborted ? signal.reason : toStoreError(thrown, path, this.address);
  }

  #metadata({ lease, namespace = this.namespace }: CallOptions): Record<string, string> {
    return {
      'containerd-namespace': namespace,
      ...(lease === undefined ? {} : { 'containerd-lease': lease }),
    };
  }
}
