import { notePassed } from '../streams/reclaim.ts';
import { refuseLargeDocument } from './document-budget.ts';
import { type TarEntry, type TarEvent, TarParser } from './tar-parser.ts';

/** A member of a tar that flows by, and its body, which may be left unread, in part or in whole. */
export interface StreamedEntry {
  readonly entry: TarEntry;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * The members of a tar in the order in which they come. Asking for the next passes over what is left of the last.
 * Reads the stream to its end also after the tar's, for the checksum of a compression stands there.
 * @throws ImgctlError `archive_empty`, `archive_truncated`, `archive_unreadable`, `document_too_large`
 */
export class StreamedTar {
  readonly #events: AsyncGenerator<TarEvent, undefined>;
  readonly #parser: TarParser;
  readonly #label: string;

  constructor(stream: AsyncIterable<Uint8Array>, label: string) {
    this.#label = label;
    this.#parser = new TarParser(label);
    this.#events = events(stream, this.#parser);
  }

  /** Whether the end-of-archive marker was met. */
  get complete(): boolean {
    return this.#parser.ended;
  }

  /** Bytes of the tar so far. */
  get position(): number {
    return this.#parser.position;
  }

  async *entries(): AsyncGenerator<StreamedEntry> {
    try {
      for (let next = await this.#events.next(); !next.done; next = await this.#events.next()) {
        // Body that nobody read
        if (next.value.kind !== 'entry') continue;
        const { entry } = next.value;
        refuseLargeDocument(entry, this.#label);
        yield { entry, body: this.#body(entry) };
      }
    } finally {
      void this.#events.return(undefined).catch(() => undefined);
    }
  }

  async *#body(entry: TarEntry): AsyncGenerator<Uint8Array> {
    for (let left = entry.size; left > 0; ) {
      const { value } = await this.#events.next();
      if (value?.kind !== 'body' || value.entry !== entry)
        throw new Error('a body was read after its member');
      left -= value.bytes.byteLength;
      yield value.bytes;
    }
  }
}

async function* events(
  stream: AsyncIterable<Uint8Array>,
  parser: TarParser,
): AsyncGenerator<TarEvent, undefined> {
  for await (const chunk of stream) {
    notePassed(chunk.byteLength);
    yield* parser.push(chunk);
  }
  parser.end();
}
