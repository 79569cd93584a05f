import { setTimeout as sleep } from 'node:timers/promises';
import { ImgctlError } from '../../errors.ts';
import { KernelLock } from './kernel-lock.ts';

/** Longer than any section takes, in milliseconds: whoever holds the lock is stopped or hangs on its disk. */
const patienceMs = 60_000;

/** One section at a time, over all processes that use the layout: for index.json, the leases, and what may go. */
export class LayoutLock implements Disposable {
  readonly #path: string;
  readonly #lock: KernelLock;
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string) {
    this.#path = path;
    this.#lock = new KernelLock(path);
  }

  static async open(path: string): Promise<LayoutLock> {
    return new LayoutLock(path);
  }

  /** Sections are short and never nest. @throws ImgctlError `store_failed`, and what `section` throws */
  async exclusively<T>(section: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const before = this.#last;
    this.#last = done;
    try {
      await before;
      await this.#acquire(signal);
      try {
        return await section();
      } finally {
        this.#lock.unlock();
      }
    } finally {
      resolve();
    }
  }

  async #acquire(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const deadline = performance.now() + patienceMs;
    while (!this.#lock.tryLock()) {
      if (performance.now() > deadline) throw stuck(this.#path);
      await sleep(1 + Math.random() * 15, undefined, { ...(signal && { signal }) });
    }
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

function stuck(path: string): ImgctlError {
  return new ImgctlError('store_failed', `another process has held ${path} for a minute`, {
    hint: `See which one it is with: fuser -v ${path}`,
    context: { path },
  });
}
