import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { descriptorSchema } from '../../image/descriptor.ts';
import { type FileIdentity, isSameFile } from './found-file.ts';
import { readText, replaceText } from './replace-text.ts';

/** An image that a file gave. */
const imageSchema = z.object({ name: z.string().min(1).max(1024), target: descriptorSchema });
export type GivenImage = z.infer<typeof imageSchema>;

const identitySchema = z.object({
  size: z.number().int().nonnegative(),
  inode: z.string().max(32),
  modifiedNs: z.string().max(32),
  changedNs: z.string().max(32),
});

const fileSchema = z.object({
  /** Absent: not all of the images came, yet. */
  identity: identitySchema.optional(),
  images: z.array(imageSchema).max(100_000),
});

/** A version that is not known is no memory at all. */
const documentSchema = z.object({ version: z.literal(1), files: z.record(z.string(), fileSchema) });

type RememberedFile = z.infer<typeof fileSchema>;

/**
 * Which images each file gave, kept in a file of the agent's own over its restarts: what a compressed archive holds
 * cannot be told without reading all of it, and what a deleted one held not at all. It is a memory and no proof: that
 * the store has the images is asked each time.
 */
export class Remembered {
  readonly #path: string;
  readonly #directory: string;
  readonly #files: Map<string, RememberedFile>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, directory: string, files: Map<string, RememberedFile>) {
    this.#path = path;
    this.#directory = directory;
    this.#files = files;
  }

  /** What cannot be read is forgotten: it costs reading the archives again. */
  static async open(path: string, directory: string): Promise<Remembered> {
    const text = (await readText(path)) ?? '';
    let files: [string, RememberedFile][] = [];
    try {
      files = Object.entries(documentSchema.parse(JSON.parse(text)).files);
    } catch {
      // As if it were not there
    }
    // Another directory's files are not ours to unpin
    const ours = files.filter(([file]) => file.startsWith(`${directory}/`));
    return new Remembered(path, directory, new Map(ours));
  }

  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** What the file gave, if it still is that file. */
  imagesOf(path: string, identity: FileIdentity): readonly GivenImage[] | undefined {
    const file = this.#files.get(path);
    return file?.identity !== undefined && isSameFile(file.identity, identity) ? file.images : undefined;
  }

  /** Whether anything of this name is remembered. */
  knows(path: string): boolean {
    return this.#files.has(path);
  }

  /** What the file gave when it was read last. */
  lastImagesOf(path: string): readonly GivenImage[] {
    return this.#files.get(path)?.images ?? [];
  }

  /** @throws as writing files does */
  async remember(path: string, images: readonly GivenImage[], identity?: FileIdentity): Promise<void> {
    const file = { ...(identity === undefined ? {} : { identity }), images: [...images] };
    if (isDeepStrictEqual(this.#files.get(path), file)) return;
    this.#files.set(path, file);
    await this.#write();
  }

  /** @throws as writing files does */
  async forget(path: string): Promise<void> {
    if (this.#files.delete(path)) await this.#write();
  }

  #write(): Promise<void> {
    const write = async () => {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      const files = Object.fromEntries(this.#files);
      await replaceText(this.#path, JSON.stringify({ version: 1, directory: this.#directory, files }));
    };
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}
