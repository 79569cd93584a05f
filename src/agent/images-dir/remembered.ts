import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { descriptorSchema, digestSchema } from '../../image/descriptor.ts';
import { type FileIdentity, isSameFile } from './found-file.ts';
import { Givers } from './givers.ts';
import { FollowingFile, readText, replaceText } from './replace-text.ts';

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
  /** When the file came into the directory: its time of change. */
  came: z
    .string()
    .regex(/^\d{1,32}$/)
    .optional(),
  images: z.array(imageSchema).max(100_000),
  /** Images that it has without a name. */
  unnamed: z.array(digestSchema).max(100_000).optional(),
  /** The key that its signature was verified with. */
  key: z.string().max(64).optional(),
});

/** A version that is not known is no memory at all. */
const documentSchema = z.object({ version: z.literal(1), files: z.record(z.string(), fileSchema) });

export type RememberedFile = z.infer<typeof fileSchema>;

export interface RememberedOptions {
  /** Of the memory itself. */
  readonly path: string;
  readonly directory: string;
  /** The key that files must be signed with, if there is one. */
  readonly key: string | undefined;
  /** Told where it cannot be written. */
  readonly onTrouble: (thrown: unknown) => void;
}

/**
 * Which images each file gave, kept in a file of the agent's own over its restarts: what a compressed archive holds
 * cannot be told without reading all of it, and what a deleted one held not at all. It is a memory and no proof: that
 * the store has the images is asked each time.
 */
export class Remembered implements AsyncDisposable {
  /** Who gives which name: those alone count that were verified, where files are held to a key. */
  readonly givers = new Givers();
  readonly #files: Map<string, RememberedFile>;
  readonly #written: FollowingFile;
  readonly #key: string | undefined;

  private constructor(files: Map<string, RememberedFile>, written: FollowingFile, key: string | undefined) {
    this.#files = files;
    this.#written = written;
    this.#key = key;
    for (const [path, file] of files) this.givers.add(path, file.images, this.#cameOf(file));
  }

  /**
   * What cannot be read is forgotten: it costs reading the archives again.
   * Where files are held to a key, what was not verified with it is not believed.
   */
  static async open({ path, directory, key, onTrouble }: RememberedOptions): Promise<Remembered> {
    const text = (await readText(path)) ?? '';
    let files: [string, RememberedFile][] = [];
    try {
      files = Object.entries(documentSchema.parse(JSON.parse(text)).files);
    } catch {
      // As if it were not there
    }
    // Another directory's files are not ours to unpin
    const ours = new Map(files.filter(([file]) => file.startsWith(`${directory}/`)));
    const write = async () => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      return await replaceText(
        path,
        JSON.stringify({ version: 1, directory, files: Object.fromEntries(ours) }),
      );
    };
    return new Remembered(ours, new FollowingFile(write, onTrouble), key);
  }

  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** What the file gave, if it still is that file. */
  fileOf(path: string, identity: FileIdentity): RememberedFile | undefined {
    const file = this.#files.get(path);
    if (file?.identity === undefined || !isSameFile(file.identity, identity)) return undefined;
    return this.#isVerified(file) ? file : undefined;
  }

  /** Whether anything of this name is remembered. */
  knows(path: string): boolean {
    return this.#files.has(path);
  }

  /** What the file gave when it was read last. */
  lastImagesOf(path: string): readonly GivenImage[] {
    return this.#files.get(path)?.images ?? [];
  }

  remember(path: string, file: RememberedFile): void {
    if (isDeepStrictEqual(this.#files.get(path), file)) return;
    this.#givesNoMore(path);
    this.#files.set(path, file);
    this.givers.add(path, file.images, this.#cameOf(file));
    this.#written.changed();
  }

  /** Of a file that did not give all, or of which it was not settled: these, and those before, may have to be unpinned. */
  mayHaveGiven(path: string, more: readonly GivenImage[]): void {
    const images = [...this.lastImagesOf(path), ...more];
    const eachOnce = new Map(images.map((image) => [`${image.name} ${image.target.digest}`, image]));
    this.remember(path, { images: [...eachOnce.values()] });
  }

  forget(path: string): void {
    this.#givesNoMore(path);
    if (this.#files.delete(path)) this.#written.changed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#written[Symbol.asyncDispose]();
  }

  #isVerified({ key }: RememberedFile): boolean {
    return this.#key === undefined || key === this.#key;
  }

  #cameOf(file: RememberedFile): bigint | undefined {
    return file.came === undefined || !this.#isVerified(file) ? undefined : BigInt(file.came);
  }

  #givesNoMore(path: string): void {
    const file = this.#files.get(path);
    if (file !== undefined) this.givers.remove(path, file.images, this.#cameOf(file));
  }
}
