import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KernelLock } from './kernel-lock.ts';

/**
 * Who has the layout open: each has a file, and holds the kernel's lock on it for as long as it lives.
 * Asked and changed under the layout's lock only.
 */
export class Owners {
  /** This store's own ID. */
  readonly self = randomUUID();
  readonly #folder: string;
  readonly #lock: KernelLock;

  constructor(folder: string) {
    this.#folder = folder;
    this.#lock = new KernelLock(join(folder, this.self));
    this.#lock.tryLock();
  }

  isAlive(id: string): boolean {
    if (id === this.self) return true;
    const path = join(this.#folder, id);
    if (!existsSync(path)) return false;
    using lock = new KernelLock(path);
    return !lock.tryLock();
  }

  /** Removes the files of those who died without doing so. */
  async forgetDead(): Promise<void> {
    for (const id of await readdir(this.#folder)) {
      if (!this.isAlive(id)) await rm(join(this.#folder, id), { force: true });
    }
  }

  async close(): Promise<void> {
    await rm(join(this.#folder, this.self), { force: true });
    this.#lock[Symbol.dispose]();
  }
}
