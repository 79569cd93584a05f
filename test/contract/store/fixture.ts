import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { digestReference, parseReference } from '../../../src/image/reference.ts';
import type { ImageRecord, Lease, Store } from '../../../src/store/store.ts';
import { chunksOf, imageOf, type TestBlob, type TestImage, type TestIndex } from '../../support/blobs.ts';

export interface OpenedStore {
  readonly store: Store;
  /** Closes the store as a process that ends without a word does, and opens it again as the next one. */
  reopen?(): Promise<Store>;
  close(): Promise<void>;
}

export interface Fixture {
  /** The store as it is now: another one after `reopen`. */
  readonly store: Store;
  /** Answers whether the store could be reopened: one that cannot skips the test. */
  reopen(): Promise<boolean>;
}

export const owner = 'contract';

/** A name that no other test uses. */
export function freshName(): string {
  return `registry.test/contract/${randomUUID()}:1`;
}

/** An image of two layers that no other test has. */
export function freshImage(): TestImage {
  return imageOf([randomUUID(), randomUUID()]);
}

/** The name that `nameImage` gives beside `name`. */
export function siblingOf(name: string, { target }: TestImage | TestIndex): string {
  return digestReference(parseReference(name), target.digest);
}

/** Writes blobs whole. */
export async function put(lease: Lease, ...blobs: readonly TestBlob[]): Promise<void> {
  for (const { descriptor, bytes } of blobs) await lease.write(descriptor, 0, chunksOf(bytes));
}

/** Everything that an importer does but naming: write, then tell what keeps what. */
export async function putImage(lease: Lease, image: TestImage): Promise<void> {
  await put(lease, ...image.blobs);
  await lease.retain(image.target, {
    config: image.config.descriptor,
    layers: image.layers.map(({ descriptor }) => descriptor),
  });
}

export async function putIndex(lease: Lease, { target, index, images }: TestIndex): Promise<void> {
  for (const image of images) await putImage(lease, image);
  await put(lease, index);
  await lease.retain(target, { manifests: images.map((image) => image.target) });
}

export async function importImage(
  store: Store,
  name: string,
  image: TestImage,
  { pin, labels }: Pick<ImageRecord, 'pin' | 'labels'> = {},
): Promise<void> {
  const lease = await store.openLease({ owner });
  await putImage(lease, image);
  await lease.nameImage({ name, target: image.target, pin, labels });
  await lease.release();
}

/** Which of these are whole, by position: short to compare. */
export async function wholeOf(store: Store, blobs: readonly TestBlob[]): Promise<boolean[]> {
  const sizes = await store.sizesOf(blobs.map(({ descriptor }) => descriptor.digest));
  return blobs.map(({ descriptor, bytes }) => {
    const size = sizes.get(descriptor.digest);
    if (size !== undefined) expect(size).toBe(bytes.byteLength);
    return size !== undefined;
  });
}

/** Waits until none of these are in the store: a store may collect a moment later. */
export async function expectGone(store: Store, blobs: readonly TestBlob[]): Promise<void> {
  await expect.poll(() => wholeOf(store, blobs), { timeout: 5000 }).toEqual(blobs.map(() => false));
}

export async function expectWhole(store: Store, blobs: readonly TestBlob[]): Promise<void> {
  expect(await wholeOf(store, blobs)).toEqual(blobs.map(() => true));
}

/** Bytes held of a blob that is not whole, as a claim under `lease` tells. */
export async function partialOf(lease: Lease, { descriptor }: TestBlob): Promise<number | undefined> {
  return (await lease.claim({ blobs: [descriptor] })).partial.get(descriptor.digest);
}

/** The first `length` bytes, then the connection breaks. */
export async function* brokenAfter(length: number, { bytes }: TestBlob): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes.subarray(0, length));
  throw new Error('connection reset by peer');
}

/** The first `length` bytes, then silence. */
export async function* silentAfter(length: number, { bytes }: TestBlob): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes.subarray(0, length));
  await new Promise(() => {});
}

/** Chunks that must not be asked for. */
export async function* untouchable(): AsyncGenerator<Uint8Array> {
  expect.unreachable('a chunk was read');
  yield new Uint8Array();
}

/** No byte ever; `asked` resolves when the first is asked for: then its writer has its turn. */
export function silentSource(): {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly asked: Promise<void>;
} {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  async function* chunks(): AsyncGenerator<Uint8Array> {
    resolve();
    await new Promise(() => {});
  }
  return { chunks: chunks(), asked };
}
