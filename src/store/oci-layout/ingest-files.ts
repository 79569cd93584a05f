import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, isDigest } from '../../image/digest.ts';
import type { Owners } from './owners.ts';

/** A blob that is not whole yet. */
export interface IngestFile {
  readonly path: string;
  /** Absent where it is to be learned from the bytes. */
  readonly digest: Digest | undefined;
  /** Who writes it, or did when it died; absent where it waits for a writer. */
  readonly writer: string | undefined;
}

const fileName = /^(?:(sha256|sha512)-([0-9a-f]+)|new-[0-9a-f-]{36})(?:\.([0-9a-f-]{36}))?$/;

/**
 * Blobs on their way: `<algorithm>-<hex>`, and behind it `.<owner>` while that one writes. To take a partial blob over
 * is to rename it, so that what is there and who writes it cannot contradict each other.
 */
export class IngestFiles {
  readonly #folder: string;
  readonly #owners: Owners;

  constructor(folder: string, owners: Owners) {
    this.#folder = folder;
    this.#owners = owners;
  }

  async list(): Promise<IngestFile[]> {
    const files: IngestFile[] = [];
    for (const name of await readdir(this.#folder)) {
      const match = fileName.exec(name);
      if (match === null) continue;
      const [, algorithm, hex, writer] = match;
      const digest = `${algorithm}:${hex}`;
      files.push({ path: join(this.#folder, name), digest: isDigest(digest) ? digest : undefined, writer });
    }
    return files;
  }

  /** Whether somebody else is writing it now. Under the layout's lock. */
  isBusy({ writer }: IngestFile): boolean {
    return writer !== undefined && writer !== this.#owners.self && this.#owners.isAlive(writer);
  }

  /**
   * Under the layout's lock: what is there of the blob becomes this store's to write; an empty file where there is
   * nothing. Answers its path, or that of the file that another one is writing.
   */
  async take(digest: Digest): Promise<{ readonly path: string; readonly busy: boolean }> {
    const own = join(this.#folder, `${digest.replace(':', '-')}.${this.#owners.self}`);
    const there = (await this.list()).find((file) => file.digest === digest);
    if (there === undefined) await (await open(own, 'wx', 0o644)).close();
    else if (this.isBusy(there)) return { path: there.path, busy: true };
    else await rename(there.path, own);
    return { path: own, busy: false };
  }

  /** Lets the next writer have it. */
  async putBack(path: string): Promise<void> {
    await rename(path, path.slice(0, path.lastIndexOf('.')));
  }

  /** A new file for bytes whose digest is not known yet. */
  newPath(): string {
    return join(this.#folder, `new-${randomUUID()}.${this.#owners.self}`);
  }

  /** In bytes; 0 where it is gone. */
  async sizeOf({ path }: { readonly path: string }): Promise<number> {
    return (await stat(path).catch(() => undefined))?.size ?? 0;
  }

  /**
   * Under the layout's lock: of what nobody writes any more, that which `wanted` tells of waits for its next writer,
   * the rest goes.
   */
  async sweep(wanted: ReadonlySet<Digest>): Promise<void> {
    for (const file of await this.list()) {
      if (file.writer === this.#owners.self || this.isBusy(file)) continue;
      if (file.digest === undefined || !wanted.has(file.digest)) await rm(file.path, { force: true });
      else if (file.writer !== undefined) await this.putBack(file.path);
    }
  }
}
