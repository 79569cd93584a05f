import type { IncomingMessage } from 'node:http';
import { ImgctlError } from '../../errors.ts';
import { Gathering } from '../../streams/gathering.ts';
import { notePassed } from '../../streams/reclaim.ts';
import { askForBody } from './expect-continue.ts';

/** What is read ahead while the store works. */
const aheadBytes = 1024 * 1024;
/**
 * Bytes a second. A blob has one writer, and others wait for it; but one upload among hundreds over a thin line is slow
 * and honest.
 */
const slowestPace = 256;

/** Times in milliseconds. */
export interface BodyLimits {
  readonly idleMs: number;
  /** A body that brought less than 256 bytes/s over so long a time of waiting for it is given up. */
  readonly paceMs: number;
}

/**
 * A request's body, in lent chunks (streams/chunk-pool.ts) of all that came since the last one, up to 1 MiB: TLS brings
 * 16 KiB at a time, and everything that is done with a chunk costs more than its bytes do. What came in one turn of the
 * event loop goes on at its end, so that nobody behind waits for a chunk to be full. Leaving the iteration leaves the
 * request unread, not destroyed, as a stream's own iterator would: it can still be answered.
 * @throws ImgctlError `interrupted` when the client goes away, sends nothing for `idleMs`, or a trickle (see `paceMs`);
 *   what had come before was yielded
 */
export async function* requestBody(
  raw: IncomingMessage,
  { idleMs, paceMs }: BodyLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const inbox = new Inbox(raw, { idleMs, paceMs });
  askForBody(raw);
  try {
    for (;;) {
      const chunk = inbox.take();
      if (chunk !== undefined) yield chunk;
      else if (inbox.isAtEnd()) return;
      else await inbox.more();
    }
  } finally {
    inbox.close();
  }
}

class Inbox {
  readonly #raw: IncomingMessage;
  readonly #came: Gathering;
  /** Runs only while somebody waits: a store that takes its time is not the client's fault. */
  readonly #timer: NodeJS.Timeout;
  #ended = false;
  #failure: ImgctlError | undefined;
  #wake: (() => void) | undefined;
  #waking = false;
  readonly #paceMs: number;
  #waitedMs = 0;
  #arrived = 0;

  constructor(raw: IncomingMessage, { idleMs, paceMs }: BodyLimits) {
    this.#raw = raw;
    this.#paceMs = paceMs;
    const length = raw.headers['content-length'];
    this.#came = new Gathering(length === undefined ? undefined : Number(length));
    this.#timer = setTimeout(() => this.#onIdle(idleMs), idleMs);
    raw.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose).on('error', this.#onClose);
    if (raw.readableEnded) this.#onEnd();
    else if (raw.destroyed) this.#onClose();
  }

  /** Asked once all that came was taken. @throws why the body is not whole */
  isAtEnd(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#ended;
  }

  take(): Uint8Array | undefined {
    const chunk = this.#came.take();
    if (chunk !== undefined && this.#came.length < aheadBytes / 2 && this.#raw.isPaused()) this.#raw.resume();
    return chunk;
  }

  async more(): Promise<void> {
    this.#timer.refresh();
    const begun = performance.now();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    this.#waitedMs += performance.now() - begun;
    if (this.#waitedMs < this.#paceMs) return;
    if (!this.#ended && this.#arrived < (slowestPace * this.#waitedMs) / 1000) {
      this.#fail(`${this.#arrived} bytes of the request came in ${Math.round(this.#waitedMs / 1000)} s`);
      this.#onEnd();
    }
    this.#waitedMs = 0;
    this.#arrived = 0;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#came.close();
    // The listener for errors stays: one that nobody hears would end the process
    this.#raw.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    // A reader may hang in its source and come here late, when the rest is being drained already
    if (this.#raw.listenerCount('data') === 0) this.#raw.pause();
  }

  readonly #onData = (chunk: Buffer) => {
    this.#came.add(chunk);
    this.#arrived += chunk.byteLength;
    notePassed(chunk.byteLength);
    if (this.#came.length >= aheadBytes) this.#raw.pause();
    if (this.#wake === undefined || this.#waking) return;
    this.#waking = true;
    setImmediate(() => {
      this.#waking = false;
      this.#wake?.();
    });
  };

  readonly #onEnd = () => {
    this.#ended = true;
    this.#wake?.();
  };

  readonly #onClose = () => {
    if (!this.#raw.complete) this.#fail('the client went away before its request was complete');
    this.#onEnd();
  };

  #onIdle(idleMs: number): void {
    if (this.#wake === undefined) return;
    this.#fail(`no byte of the request came for ${idleMs / 1000} s`);
    this.#onEnd();
  }

  #fail(message: string): void {
    this.#failure ??= new ImgctlError('interrupted', message);
  }
}
