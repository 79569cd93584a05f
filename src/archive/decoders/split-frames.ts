import { truncated } from '../archive-errors.ts';

/**
 * A walk over one frame of a compressed stream, just close enough to see where it ends.
 * It yields how many bytes it wants next: `take` hands them to it, `skip` passes over them.
 */
export type FrameWalk = Generator<{ readonly take: number } | { readonly skip: number }, void, Buffer>;

/**
 * Cuts a stream into the frames (streams, members) that it was concatenated from, for decoders that know only one.
 * Each frame must be read to its end before the next is asked for. Its chunks are views of the input's.
 * @throws ImgctlError `archive_truncated` where the last frame is not whole, and whatever the walk throws
 */
export async function* splitFrames(
  input: AsyncIterable<Uint8Array>,
  walk: () => FrameWalk,
  { label, format }: { label: string; format: string },
): AsyncGenerator<AsyncGenerator<Uint8Array>> {
  const iterator = input[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  const refill = async (): Promise<boolean> => {
    while (rest.byteLength === 0) {
      const { done, value } = await iterator.next();
      if (done) return false;
      rest = value;
    }
    return true;
  };
  async function* frame(): AsyncGenerator<Uint8Array> {
    const walker = new Walker(walk());
    while (!walker.done) {
      if (!(await refill())) throw truncated(label, `its ${format} data end early`);
      const used = walker.advance(rest);
      const piece = rest.subarray(0, used);
      rest = rest.subarray(used);
      if (piece.byteLength > 0) yield piece;
    }
  }
  try {
    while (await refill()) yield frame();
  } finally {
    // Not waited for: it may be in the middle of a read from a silent pipe
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

class Walker {
  readonly #walk: FrameWalk;
  #taken: Uint8Array[] = [];
  #take = 0;
  #skip = 0;
  done = false;

  constructor(walk: FrameWalk) {
    this.#walk = walk;
    this.#next(walk.next());
  }

  /** @returns how many of these bytes belong to the frame */
  advance(chunk: Uint8Array): number {
    let at = 0;
    while (!this.done && at < chunk.byteLength) {
      const piece = chunk.subarray(at, at + (this.#take || this.#skip));
      at += piece.byteLength;
      if (this.#take > 0) {
        this.#taken.push(piece);
        this.#take -= piece.byteLength;
        if (this.#take === 0) this.#next(this.#walk.next(Buffer.concat(this.#taken)));
      } else {
        this.#skip -= piece.byteLength;
        if (this.#skip === 0) this.#next(this.#walk.next(Buffer.alloc(0)));
      }
    }
    return at;
  }

  #next(result: ReturnType<FrameWalk['next']>): void {
    let { done, value } = result;
    this.#taken = [];
    while (!done && value) {
      this.#take = 'take' in value ? value.take : 0;
      this.#skip = 'skip' in value ? value.skip : 0;
      if (this.#take + this.#skip > 0) return;
      ({ done, value } = this.#walk.next(Buffer.alloc(0)));
    }
    this.done = true;
  }
}
