import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { FileIdentity } from './found-file.ts';
import { FollowingFile, readText, replaceText } from './replace-text.ts';

/**
 * K3s's `.cache.json`, in its own format, so that either program goes on with what the other wrote. It counts where
 * somebody has made the file, an empty one to begin with; and it is believed only as far as the store has the images.
 */

const entrySchema = z.object({
  size: z.number(),
  /** RFC 3339, up to nanoseconds, in any zone. */
  modTime: z.string().max(64),
  images: z.array(z.string().max(1024)).nullish(),
});

export const k3sCacheName = '.cache.json';

export class K3sCache implements AsyncDisposable {
  readonly #path: string;
  readonly #files = new Map<string, z.infer<typeof entrySchema>>();
  readonly #written: FollowingFile;

  private constructor(directory: string, onTrouble: (thrown: unknown) => void) {
    this.#path = join(directory, k3sCacheName);
    this.#written = new FollowingFile(() => this.#write(), onTrouble);
  }

  /** @param onTrouble is told where it cannot be written: the directory may be read-only */
  static async open(directory: string, onTrouble: (thrown: unknown) => void): Promise<K3sCache> {
    const cache = new K3sCache(directory, onTrouble);
    const text = (await readText(cache.#path)) ?? '';
    try {
      for (const [path, entry] of Object.entries(z.record(z.string(), z.unknown()).parse(JSON.parse(text)))) {
        const known = entrySchema.safeParse(entry);
        if (known.success) cache.#files.set(path, known.data);
      }
    } catch {
      // Empty, or no JSON: every file is read
    }
    return cache;
  }

  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** The names that the file gave, if its size and time are still those. */
  imagesOf(path: string, { size, modifiedNs }: FileIdentity): readonly string[] | undefined {
    const entry = this.#files.get(path);
    if (entry?.images == null || entry.size !== size) return undefined;
    return nanoseconds(entry.modTime) === BigInt(modifiedNs) ? entry.images : undefined;
  }

  set(path: string, identity: FileIdentity, images: readonly string[]): void {
    const { size, modifiedNs } = identity;
    if (isDeepStrictEqual(this.imagesOf(path, identity), images)) return;
    const modTime = rfc3339(BigInt(modifiedNs));
    // Go, which reads all of it or nothing, has no words for that either
    if (modTime === undefined) {
      this.delete(path);
      return;
    }
    this.#files.set(path, { size, modTime, images: [...images] });
    this.#written.changed();
  }

  delete(path: string): void {
    if (this.#files.delete(path)) this.#written.changed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#written[Symbol.asyncDispose]();
  }

  async #write(): Promise<number> {
    // Nobody wants it, or does not any more
    if ((await readText(this.#path)) === undefined) return 0;
    return await replaceText(this.#path, JSON.stringify(Object.fromEntries(this.#files)));
  }
}

/** As Go writes times: no zeros at the end of the fraction. Undefined outside the years 0 to 9999. */
function rfc3339(ns: bigint): string | undefined {
  const below = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const time = new Date(Number((ns - below) / 1_000_000_000n) * 1000);
  const year = time.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) return undefined;
  const fraction = String(below).padStart(9, '0').replace(/0+$/, '');
  return `${time.toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`;
}

function nanoseconds(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const [, time, fraction = '', zone] = match;
  const ms = Date.parse(`${time}${zone}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
