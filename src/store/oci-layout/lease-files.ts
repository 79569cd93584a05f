import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { type Digest, isDigest } from '../../image/digest.ts';
import { replaceFile } from './durable-file.ts';
import type { LayoutPaths } from './layout-paths.ts';

/** How long a lease outlives the process that held it, in milliseconds. */
export const leftForMs = 60 * 60 * 1000;

const leaseSchema = z.object({
  /** The agent's name, or `cli`. */
  owner: z.string(),
  /** The ID of the process that holds it; null once it was left. */
  holder: z.string().nullable(),
  /** Milliseconds since 1970; counts once its holder has left it, or is dead. */
  expiresAt: z.number(),
  /** Digest → media type. */
  blobs: z.record(z.string(), z.string()),
});

export interface LeaseRecord {
  readonly id: string;
  readonly owner: string;
  readonly holder: string | null;
  readonly expiresAt: number;
  /** What it keeps, with the media type by which documents are known; empty where it is unknown. */
  readonly blobs: ReadonlyMap<Digest, string>;
}

/**
 * Leases as files. A blob is on its lease before its first byte comes, durably: so what a crash leaves behind can
 * always be found, and nothing goes that is not ours.
 */
export class LeaseFiles {
  readonly #paths: LayoutPaths;

  constructor(paths: LayoutPaths) {
    this.#paths = paths;
  }

  async list(): Promise<LeaseRecord[]> {
    const leases: LeaseRecord[] = [];
    for (const name of await readdir(this.#paths.leases)) {
      const id = /^([0-9a-f-]{36})\.json$/.exec(name)?.[1];
      if (id !== undefined) leases.push(await this.#read(id));
    }
    return leases;
  }

  async #read(id: string): Promise<LeaseRecord> {
    const text = await readFile(this.#pathOf(id), 'utf8');
    try {
      const { blobs, ...lease } = leaseSchema.parse(JSON.parse(text));
      const known = Object.entries(blobs).flatMap(([digest, type]) =>
        isDigest(digest) ? [[digest, type] as const] : [],
      );
      return { id, ...lease, blobs: new Map(known) };
    } catch {
      // Files are replaced whole: only a damaged disk leads here, and then nothing is known that could be kept
      return { id, owner: '', holder: null, expiresAt: 0, blobs: new Map() };
    }
  }

  /** Under the layout's lock. */
  async save({ id, owner, holder, expiresAt, blobs }: LeaseRecord): Promise<void> {
    const json = JSON.stringify({ owner, holder, expiresAt, blobs: Object.fromEntries(blobs) });
    await replaceFile(this.#pathOf(id), json, this.#paths.scratch);
  }

  async remove(id: string): Promise<void> {
    await rm(this.#pathOf(id), { force: true });
  }

  #pathOf(id: string): string {
    return join(this.#paths.leases, `${id}.json`);
  }
}
