import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Archive, type ArchiveOptions, openArchive } from '../../src/archive/archive.ts';
import { ImgctlError } from '../../src/errors.ts';
import { type Digest, digestAlgorithm } from '../../src/image/digest.ts';
import type { ImageSource } from '../../src/image/source.ts';
import { inChunks } from '../support/archives.ts';

/** Opening archives that are held in memory, both ways, and looking at what comes out. */

export const folder = mkdtempSync(join(tmpdir(), 'imgctl-archive-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

export function fileWith(bytes: Uint8Array, name = `archive-${files++}.tar`): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

export function openFile(bytes: Uint8Array, options: ArchiveOptions = {}): Promise<Archive> {
  return openArchive({ kind: 'path', path: fileWith(bytes) }, options);
}

export function openPipe(bytes: Uint8Array, options: ArchiveOptions = {}, chunk = 65536): Promise<Archive> {
  return openArchive({ kind: 'stream', stream: inChunks(bytes, chunk), label: 'standard input' }, options);
}

export async function readAll(source: ImageSource, digest: Digest, offset = 0): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source.read(digest, offset)));
}

/** The digest that the bytes under `digest` really have. */
export async function trueDigest(source: ImageSource, digest: Digest): Promise<string> {
  const algorithm = digestAlgorithm(digest);
  const hash = createHash(algorithm);
  for await (const chunk of source.read(digest, 0)) hash.update(chunk);
  return `${algorithm}:${hash.digest('hex')}`;
}

/** Names and digests. */
export function listing(source: Pick<ImageSource, 'images'>): [string | undefined, string][] {
  return source.images.map(({ name, target }) => [name, target.digest]);
}

/** The error that a promise fails with; fails the test if it does not. An archive that was opened is closed. */
export async function failure(promise: Promise<unknown>): Promise<ImgctlError> {
  const outcome = await promise.then(
    (value) => value,
    (error: unknown) => error,
  );
  if (outcome instanceof ImgctlError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('it did not fail');
}
