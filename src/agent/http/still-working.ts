import type { ServerResponse } from 'node:http';
import { routes } from '../../agent-api/routes.ts';
import type { Digest } from '../../image/digest.ts';
import type { Heart } from '../relay/relay-blob.ts';

/**
 * Says `102 Processing` (RFC 2518, 10.1) every `everyMs` to an agent that waits for an answer, as long as there are
 * signs of work. It cannot know otherwise whether this node makes a blob durable, which takes its time, or has died.
 */
export class StillWorking implements Heart, Disposable {
  readonly #response: ServerResponse;
  readonly #timer: NodeJS.Timeout;
  #signed = false;
  #under = 0;

  constructor(response: ServerResponse, everyMs: number, isBusy: () => boolean) {
    this.#response = response;
    this.#timer = setInterval(() => {
      if (response.headersSent || response.destroyed) return;
      if (this.#signed || this.#under > 0 || isBusy()) response.writeProcessing();
      this.#signed = false;
    }, everyMs);
  }

  sign(): void {
    this.#signed = true;
  }

  /** The blob is here: no more of it need be sent (`103 Early Hints`, RFC 8297). */
  hasBlob(digest: Digest): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#response.writeEarlyHints({ link: `<${routes.blob(digest)}>; rel=item` });
  }

  /** The same bytes; each time that some are taken is a sign. */
  async *signedBy(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.sign();
      yield chunk;
    }
  }

  async during<T>(work: Promise<T>): Promise<T> {
    this.#under += 1;
    try {
      return await work;
    } finally {
      this.#under -= 1;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
