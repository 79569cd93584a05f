import type { ImgctlError } from '../../errors.ts';

/** Milliseconds. */
export interface BackOffLimits {
  /** After the first failure; doubled with each that follows. */
  readonly firstMs: number;
  readonly mostMs: number;
}

interface Failed {
  readonly delayMs: number;
  readonly at: number;
  readonly error: ImgctlError;
}

/** When what failed may be tried again, by name, as the kubelet backs off from images that cannot be pulled. */
export class BackOff {
  readonly #limits: BackOffLimits;
  readonly #failed = new Map<string, Failed>();

  constructor(limits: BackOffLimits) {
    this.#limits = limits;
  }

  /** Milliseconds until it may be tried; 0: now. */
  waitMs(name: string): number {
    const failed = this.#failed.get(name);
    return failed === undefined ? 0 : Math.max(0, failed.at - performance.now());
  }

  /** Why it failed last. */
  errorOf(name: string): ImgctlError | undefined {
    return this.#failed.get(name)?.error;
  }

  failed(name: string, error: ImgctlError): void {
    const { firstMs, mostMs } = this.#limits;
    const before = this.#failed.get(name)?.delayMs;
    const delayMs = before === undefined ? firstMs : Math.min(before * 2, mostMs);
    this.#failed.set(name, { delayMs, at: performance.now() + delayMs, error });
  }

  forget(name: string): void {
    this.#failed.delete(name);
  }
}
