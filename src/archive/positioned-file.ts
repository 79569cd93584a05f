import { close, read } from 'node:fs';
import { promisify } from 'node:util';
import { chunkBytes, lendChunk } from '../streams/chunk-pool.ts';
import { truncated, unreadable } from './archive-errors.ts';

const closeAsync = promisify(close);
const readAsync = promisify(read);

/**
 * A regular file that is read by position only: its file position, which a shared descriptor (standard input)
 * has in common with other processes, is neither used nor moved. Concurrent reads are fine.
 */
export class PositionedFile implements AsyncDisposable {
  readonly label: string;
  /** Bytes from `start` to the end of the file, when it was opened. */
  readonly size: number;
  readonly #fd: number;
  readonly #start: number;
  readonly #owned: boolean;
  readonly #reading = new Set<Promise<unknown>>();
  #closed = false;
  /** Bytes read so far. */
  bytesRead = 0;

  /** `owned`: closed with this object. Bytes before `start` do not belong to the archive. */
  constructor(
    fd: number,
    { label, size, start, owned }: { label: string; size: number; start: number; owned: boolean },
  ) {
    this.#fd = fd;
    this.label = label;
    this.size = size;
    this.#start = start;
    this.#owned = owned;
  }

  /** Fills `buffer` from `position` on, less only at the end of the file. @returns the bytes read */
  async readInto(buffer: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < buffer.byteLength) {
      const bytes = await this.#read(buffer.subarray(filled), position + filled);
      if (bytes === 0) break;
      filled += bytes;
    }
    this.bytesRead += filled;
    return filled;
  }

  /** `size` bytes from `position` on; large chunks are lent (chunk-pool). @throws ImgctlError `archive_truncated` where they end early */
  async *chunks(position: number, size: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < size; ) {
      signal?.throwIfAborted();
      const left = size - done;
      const buffer = left >= chunkBytes ? lendChunk() : Buffer.allocUnsafeSlow(left);
      const bytes = await this.readInto(buffer, position + done);
      if (bytes < buffer.byteLength) throw truncated(this.label, 'it became shorter while it was read');
      yield buffer;
      done += bytes;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // The number may be given to another file as soon as it is closed: a read under way would read that one
    await Promise.allSettled(this.#reading);
    if (this.#owned) await closeAsync(this.#fd);
  }

  async #read(buffer: Uint8Array, position: number): Promise<number> {
    if (this.#closed) throw unreadable(this.label, 'it was closed');
    const reading = readAsync(this.#fd, buffer, 0, buffer.byteLength, this.#start + position);
    this.#reading.add(reading);
    try {
      return (await reading).bytesRead;
    } catch (cause) {
      throw unreadable(this.label, cause instanceof Error ? cause.message : String(cause), {
        hint: 'Check the disk or the mount that it is on.',
        cause,
      });
    } finally {
      this.#reading.delete(reading);
    }
  }
}
