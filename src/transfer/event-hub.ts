import type { ImportEvent } from '../agent-api/events.ts';

/**
 * Tells any number of readers what an import does. A reader that is slow loses nothing that counts and costs
 * nothing: of a blob's, or an unpack's, progress it is told the latest only.
 */
export class EventHub {
  readonly #readers = new Set<Reader>();
  #terminal: ImportEvent | undefined;

  get readers(): number {
    return this.#readers.size;
  }

  emit(event: ImportEvent): void {
    if (this.#terminal !== undefined) return;
    for (const reader of this.#readers) reader.push(event);
    if (event.type === 'done' || event.type === 'error') {
      this.#terminal = event;
      for (const reader of this.#readers) reader.end();
    }
  }

  /** `snapshot` is told first: where everything stands at this moment. */
  async *read(
    snapshot: readonly ImportEvent[],
    signal?: AbortSignal,
  ): AsyncGenerator<ImportEvent, void, undefined> {
    const reader = new Reader(this.#terminal === undefined ? snapshot : [...snapshot, this.#terminal]);
    if (this.#terminal === undefined) this.#readers.add(reader);
    else reader.end();
    const abort = () => reader.end();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      yield* reader.events();
      signal?.throwIfAborted();
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#readers.delete(reader);
    }
  }
}

class Reader {
  readonly #queue: ImportEvent[];
  /** Where in the queue the latest progress of a thing stands, to be overwritten by the next. */
  readonly #progress = new Map<string, ImportEvent>();
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(snapshot: readonly ImportEvent[]) {
    this.#queue = [...snapshot];
  }

  push(event: ImportEvent): void {
    const key =
      event.type === 'blob' ? event.digest : event.type === 'unpack' ? `unpack ${event.image}` : undefined;
    const queued = key === undefined ? undefined : this.#progress.get(key);
    if (queued !== undefined) {
      Object.assign(queued, event);
    } else if (key === undefined) {
      this.#queue.push(event);
    } else {
      const copy = { ...event };
      this.#progress.set(key, copy);
      this.#queue.push(copy);
    }
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *events(): AsyncGenerator<ImportEvent, void, undefined> {
    for (;;) {
      const batch = this.#queue.splice(0);
      this.#progress.clear();
      yield* batch;
      if (this.#queue.length > 0) continue;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
