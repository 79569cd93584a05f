import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { descriptorSchema, digestSchema } from '../../image/descriptor.ts';

import { type FileIdentity, isSameFile } from './found-file.ts';
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

/** A file that gives an image of some name. */
export interface Giver {
  readonly path: string;
  readonly image: GivenImage;
  /** When it came into the directory, in nanoseconds. */
  readonly came: bigint;
}

/** Of files that came at the same moment the names decide. */
export function comesLater(one: Pick<Giver, 'path' | 'came'>, other: Pick<Giver, 'path' | 'came'>): boolean {
  return one.came === other.came ? one.path > other.path : one.came > other.came;
}

/**
 * Which images each file gave, kept in a file of the agent's own over its restarts: what a compressed archive holds
 * cannot be told without reading all of it, and what a deleted one held not at all. It is a memory and no proof: that
 * the store has the images is asked each time.
 */
export class Remembered implements AsyncDisposable {
  readonly #files: Map<string, RememberedFile>;
  /** Paths by the names of images that they give. */
  readonly #givers = new Map<string, Set<string>>();
  readonly #written: FollowingFile;
  readonly #key: string | undefined;

  private constructor(files: Map<string, RememberedFile>, written: FollowingFile, key: string | undefined) {
    this.#files = files;
    this.#written = written;
    this.#key = key;
    for (const [path, { images }] of files) this.#gives(path, images);
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
      await replaceText(path, JSON.stringify({ version: 1, directory, files: Object.fromEntries(ours) }));
    };
    return new Remembered(ours, new FollowingFile(() => write().catch(onTrouble)), key);
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

  /** The files that give an image of this name, the one that came into the directory last at the end. */
  giversOf(name: string): readonly Giver[] {
    const givers = [...(this.#givers.get(name) ?? [])].flatMap((path) => {
      const file = this.#files.get(path);
      const image = file?.images.findLast((one) => one.name === name);
      if (image === undefined || file?.came === undefined || !this.#isVerified(file)) return [];
      return [{ path, image, came: BigInt(file.came) }];
    });
    return givers.toSorted((a, b) => (comesLater(a, b) ? 1 : -1));
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
    this.#gives(path, file.images);
    this.#written.changed();
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

  #gives(path: string, images: readonly GivenImage[]): void {
    for (const { name } of images) {
      const paths = this.#givers.get(name) ?? new Set();
      this.#givers.set(name, paths.add(path));
    }
  }

  #givesNoMore(path: string): void {
    for (const { name } of this.#files.get(path)?.images ?? []) {
      const paths = this.#givers.get(name);
      paths?.delete(path);
      if (paths?.size === 0) this.#givers.delete(name);
    }
  }
}
