import type { DistributeEvent } from './outcome.ts';

/** Progress is told at most this often, in milliseconds. */
const intervalMs = 100;
/** A rate that was measured for less foretells nothing, in milliseconds. */
const measuredMs = 3_000;

/** How far one archive is on its way, and how long all of it will take. */
export class ArchiveProgress {
  readonly #node: string;
  readonly #images: number;
  readonly #emit: (event: DistributeEvent) => void;
  #begun = performance.now();
  #length = 0;
  #sent = 0;
  #told = 0;

  constructor(node: string, images: number, emit: (event: DistributeEvent) => void) {
    this.#node = node;
    this.#images = images;
    this.#emit = emit;
  }

  /** `length`: bytes; undefined where nobody knows. */
  begin(length: number | undefined): void {
    this.#begun = performance.now();
    this.#length = length ?? 0;
    this.#tell(true);
  }

  /** Answers how long sending takes in all at the rate so far, in milliseconds; 0 while it is not known. */
  add(bytes: number): number {
    this.#sent += bytes;
    this.#tell(this.#sent === this.#length);
    const elapsed = performance.now() - this.#begun;
    return elapsed < measuredMs || this.#length === 0 ? 0 : (elapsed / this.#sent) * this.#length;
  }

  end(): void {
    this.#tell(true);
  }

  #tell(always: boolean): void {
    const now = performance.now();
    if (!always && now - this.#told < intervalMs) return;
    this.#told = now;
    this.#emit({
      type: 'progress',
      node: this.#node,
      receivedBytes: this.#sent,
      missingBytes: Math.max(this.#length, this.#sent),
      skippedBytes: 0,
      imagesReady: 0,
      images: this.#images,
    });
  }
}
