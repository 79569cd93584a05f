import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whoever reads the file sees the old text or the new one, whole. Answers its length. */
export async function replaceText(path: string, text: string): Promise<number> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    {
      await using file = await open(draft, 'wx', 0o600);
      await file.writeFile(text);
      await file.datasync();
    }
    await rename(draft, path);
    return text.length;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Far more than ten thousand files of images come to, in bytes. */
const maxBytes = 64 * 1024 * 1024;

/** Undefined where there is no such file, or one that cannot be what is wanted. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    const stats = await stat(path);
    return stats.isFile() && stats.size <= maxBytes ? await readFile(path, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds: what changes meanwhile is written together. */
const everyMs = 500;

/** Of a text that is longer, no more is written in that time: ten thousand files are not written down again for each. */
const lengthEach = 1024 * 1024;

/** A file that follows what is in memory: written at once when that changes, and then every now and then. */
export class FollowingFile implements AsyncDisposable {
  readonly #write: () => Promise<number>;
  readonly #onTrouble: (thrown: unknown) => void;
  readonly #hurry = new AbortController();
  #changed = false;
  #failed = false;
  #writing: Promise<void> | undefined;

  /** `write` answers the length of what it wrote; `onTrouble` is told where it cannot. */
  constructor(write: () => Promise<number>, onTrouble: (thrown: unknown) => void) {
    this.#write = write;
    this.#onTrouble = onTrouble;
  }

  changed(): void {
    this.#changed = true;
    this.#writing ??= this.#follow();
  }

  /** What changed is written; what could not be is tried once more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#hurry.abort();
    while (this.#writing !== undefined) await this.#writing;
    if (!this.#failed) return;
    this.changed();
    await this.#writing;
  }

  async #follow(): Promise<void> {
    while (this.#changed) {
      this.#changed = false;
      const length = await this.#tryWrite();
      const pauseMs = everyMs * Math.max(1, (length ?? 0) / lengthEach);
      await sleep(pauseMs, undefined, { signal: this.#hurry.signal, ref: false }).catch(() => {});
    }
    // In the same breath: for what changes from now on nobody is at work
    this.#writing = undefined;
  }

  async #tryWrite(): Promise<number | undefined> {
    try {
      const length = await this.#write();
      this.#failed = false;
      return length;
    } catch (thrown) {
      this.#failed = true;
      this.#onTrouble(thrown);
      return undefined;
    }
  }
}
