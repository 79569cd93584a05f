import { ImgctlError } from '../../errors.ts';
import { giveBackChunk } from '../../streams/chunk-pool.ts';
import { content, writeActions } from './api/content.ts';
import type { Call } from './grpc/call.ts';
import type { Connection } from './grpc/connection.ts';
import { toStoreError } from './grpc/errors.ts';
import type { Input, MessageOf } from './grpc/message.ts';

type Request = Input<MessageOf<typeof content.write.request>>;
type Response = MessageOf<typeof content.write.response>;

/** What the first message says: whose bytes come. */
export interface WriteOpening {
  readonly lease: string;
  /** One ingest in containerd, and its lock. */
  readonly ref: string;
  /** Size of the whole blob in bytes. */
  readonly total: number;
  readonly expected?: string | undefined;
}

/** Messages on their way without an answer: containerd writes one while the next is in the socket. */
const maxUnanswered = 2;

/** How long containerd may take to let go of a ref, in milliseconds. */
const endWithinMs = 5000;

/**
 * One `Write` call: a conversation in which every message gets an answer, in order.
 * Answers are the back-pressure: what is sent and not answered is all that is held of a blob.
 */
export class WriteSession implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #opening: WriteOpening;
  readonly #call: Call<MessageOf<typeof content.write.request>, Response>;
  readonly #ended: Promise<void>;
  readonly #waiting: PromiseWithResolvers<Response>[] = [];
  readonly #unanswered: Promise<Response>[] = [];
  readonly #failure = new AbortController();
  #opened = false;
  #digest = '';

  constructor(connection: Connection, opening: WriteOpening) {
    this.#connection = connection;
    this.#opening = opening;
    this.#call = connection.duplex(content.write, { lease: opening.lease });
    this.#ended = this.#listen();
  }

  /** Aborts when the call fails, also while nothing is being sent; the reason is the error. */
  get failed(): AbortSignal {
    return this.#failure.signal;
  }

  /** Of what is written, as of the last answer: containerd hashes anyway. */
  get digest(): string {
    return this.#digest;
  }

  /** Opens the ref without sending bytes, and answers the offset that it is at. */
  async open(): Promise<number> {
    return (await this.#request({ action: writeActions.stat })).offset;
  }

  /** Sends bytes that belong at `offset`; returns when there is room for more. `onStored` hears when they are written. */
  async write(offset: number, message: Uint8Array, onStored?: (offset: number) => void): Promise<void> {
    const answer = this.#request({ action: writeActions.write, offset, data: [message] });
    answer.then(
      (stored) => {
        // containerd has read all of it: nobody looks at these bytes any more
        giveBackChunk(message);
        onStored?.(stored.offset);
      },
      () => {},
    );
    this.#unanswered.push(answer);
    while (this.#unanswered.length >= maxUnanswered) await this.#unanswered.shift();
  }

  /** Returns when everything that was sent is written. */
  async drain(): Promise<void> {
    for (const answer of this.#unanswered.splice(0)) await answer;
  }

  /** Sends the last bytes, if any are left, and makes the blob count. The call ends with it. */
  async commit(
    offset: number,
    data: readonly Uint8Array[],
    labels: Readonly<Record<string, string>>,
    expected = this.#opening.expected,
  ): Promise<void> {
    const { total } = this.#opening;
    const answer = this.#request({ action: writeActions.commit, total, expected, offset, data, labels });
    await this.drain();
    await answer;
  }

  /** Ends the call so that containerd writes what it was sent, and lets go of the ref, before this returns. */
  async [Symbol.asyncDispose](): Promise<void> {
    const giveUp = setTimeout(() => this.#call.cancel(), endWithinMs);
    this.#call.end();
    await this.#ended;
    clearTimeout(giveUp);
  }

  #request(request: Request): Promise<Response> {
    const { ref, total, expected } = this.#opening;
    const opening = this.#opened ? {} : { ref, total, expected };
    this.#opened = true;
    const answer = Promise.withResolvers<Response>();
    // Whoever sends the next message, or waits for `failed`, hears of it
    answer.promise.catch(() => {});
    if (this.failed.aborted) answer.reject(this.failed.reason);
    else {
      this.#waiting.push(answer);
      this.#call.send({ ...request, ...opening });
    }
    return answer.promise;
  }

  /** Never rejects. */
  async #listen(): Promise<void> {
    const { address } = this.#connection;
    let reason: unknown = endedEarly(address);
    try {
      for await (const answer of this.#call.answers()) {
        this.#digest = answer.digest;
        // containerd repeats its last answer after a COMMIT: then nobody waits
        this.#waiting.shift()?.resolve(answer);
      }
    } catch (error) {
      reason = toStoreError(error, content.write.path, address);
    }
    this.#failure.abort(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }
}

function endedEarly(address: string): ImgctlError {
  return new ImgctlError('store_failed', `containerd at ${address} ended a write without an answer`, {
    context: { address },
  });
}
