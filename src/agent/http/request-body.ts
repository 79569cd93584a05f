import type { IncomingMessage } from 'node:http';
import { notePassed } from '../../agent-api/reclaim.ts';
import { ImgctlError } from '../../errors.ts';
import { askForBody } from './expect-continue.ts';

/** What is read ahead while the store works. */
const aheadBytes = 1024 * 1024;

/**
 * A request's body, in the chunks of up to 64 KiB that Node.js makes of it: stores gather them as they need, and
 * joining them here costs more than it saves (tried: a third of the throughput). Leaving the iteration leaves the
 * request unread, not destroyed, as a stream's own iterator would: it can still be answered.
 * @throws ImgctlError `interrupted` when the client goes away or sends nothing for `idleMs`; what had come before was yielded
 */
export async function* requestBody(
  raw: IncomingMessage,
  { idleMs }: { readonly idleMs: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const inbox = new Inbox(raw, idleMs);
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
  readonly #chunks: Buffer[] = [];
  /** Runs only while somebody waits: a store that takes its time is not the client's fault. */
  readonly #timer: NodeJS.Timeout;
  #length = 0;
  #ended = false;
  #failure: ImgctlError | undefined;
  #wake: (() => void) | undefined;

  constructor(raw: IncomingMessage, idleMs: number) {
    this.#raw = raw;
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

  take(): Buffer | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    this.#length -= chunk.byteLength;
    if (this.#length < aheadBytes / 2 && this.#raw.isPaused()) this.#raw.resume();
    return chunk;
  }

  async more(): Promise<void> {
    this.#timer.refresh();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  close(): void {
    clearTimeout(this.#timer);
    // The listener for errors stays: one that nobody hears would end the process
    this.#raw.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    // A reader may hang in its source and come here late, when the rest is being drained already
    if (this.#raw.listenerCount('data') === 0) this.#raw.pause();
  }

  readonly #onData = (chunk: Buffer) => {
    this.#chunks.push(chunk);
    this.#length += chunk.byteLength;
    notePassed(chunk.byteLength);
    if (this.#length >= aheadBytes) this.#raw.pause();
    this.#wake?.();
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
