import { stat } from 'node:fs/promises';
import { ImgctlError, toImgctlError } from '../errors.ts';

export interface LiveFilesOptions<T> {
  /** Those that need not be there count too, so that their appearing is noticed. */
  readonly paths: readonly string[];
  readonly read: () => Promise<T>;
  /** How often to look, in milliseconds. */
  readonly everyMs: number;
  readonly onChange: (value: T) => void;
  /** Told once of each reason; what was there stays in use. */
  readonly onFailure: (error: ImgctlError) => void;
}

/**
 * What stands in files, read again when they change. They are looked at, not watched: what the kubelet mounts of a
 * Secret is a symbolic link that is swapped, of which inotify on the file says nothing. What cannot be read, or does
 * not fit together because it is half written, is tried again until it does.
 */
export class LiveFiles<T> implements Disposable {
  readonly #options: LiveFilesOptions<T>;
  readonly #timer: NodeJS.Timeout;
  #seen: string;
  #current: T;
  #complaint: string | undefined;
  #looking = false;

  private constructor(options: LiveFilesOptions<T>, seen: string, current: T) {
    this.#options = options;
    this.#seen = seen;
    this.#current = current;
    this.#timer = setInterval(() => void this.look(), options.everyMs).unref();
  }

  /** @throws what the first read throws */
  static async open<T>(options: LiveFilesOptions<T>): Promise<LiveFiles<T>> {
    // Before the read: what changes meanwhile is seen as a change at the next look
    const seen = await signatureOf(options.paths);
    return new LiveFiles(options, seen, await options.read());
  }

  get current(): T {
    return this.#current;
  }

  /** Never rejects. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const seen = await signatureOf(this.#options.paths);
      if (seen === this.#seen) return;
      await refuseEndless(this.#options.paths);
      this.#current = await this.#options.read();
      this.#seen = seen;
      this.#complaint = undefined;
      this.#options.onChange(this.#current);
    } catch (thrown) {
      const error = toImgctlError(thrown);
      if (error.message !== this.#complaint) this.#options.onFailure(error);
      this.#complaint = error.message;
    } finally {
      this.#looking = false;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * A pipe may be what is read first, once; opening one again waits for somebody to write to it, perhaps forever.
 * @throws ImgctlError `config_invalid`
 */
async function refuseEndless(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || found.isFile() || found.isDirectory()) continue;
    throw new ImgctlError('config_invalid', `${path} is neither a file nor a directory`, {
      context: { path },
    });
  }
}

async function signatureOf(paths: readonly string[]): Promise<string> {
  const signatures = await Promise.all(
    paths.map(async (path) => {
      try {
        const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
        return [dev, ino, size, mtimeMs, ctimeMs].join(':');
      } catch (error) {
        return String((error as NodeJS.ErrnoException).code);
      }
    }),
  );
  return signatures.join(' ');
}
