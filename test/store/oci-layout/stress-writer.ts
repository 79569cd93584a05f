import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import { chunksOf, imageOf, seededBytes, type TestImage } from '../../support/blobs.ts';

/**
 * A process that imports overlapping images into one layout, again and again, until somebody kills it.
 * Run as: node stress-writer.ts DIRECTORY SEED; prints a line for each try.
 */
const [directory = '', seed = ''] = process.argv.slice(2);

/** Image `n` shares a layer with the one before it and with the one after it. */
export function stressImage(n: number): TestImage {
  return imageOf([n, n + 1].map((layer) => seededBytes(`layer ${layer}`, 200_000 + layer * 90_001)));
}

export const stressName = (n: number) => `registry.test/stress/app-${n}:1`;
export const stressImages = 6;

async function importForever(): Promise<void> {
  await using store = await openOciLayoutStore({ directory });
  const choices = seededBytes(seed, 100_000);
  for (const choice of choices) {
    process.stdout.write('next\n');
    const n = choice % stressImages;
    const image = stressImage(n);
    const lease = await store.openLease({ owner: 'stress' });
    const { whole, partial } = await lease.claim({ blobs: image.blobs.map(({ descriptor }) => descriptor) });
    const missing = image.blobs.filter(({ descriptor }) => !whole.has(descriptor.digest));
    const writing = missing.map(({ descriptor, bytes }) => {
      const offset = partial.get(descriptor.digest) ?? 0;
      return lease.write(descriptor, offset, chunksOf(bytes.subarray(offset), 4096, 70_000));
    });
    // Another process may have gone on with a partial blob: then this try is left, and the next one asks again
    const outcomes = await Promise.allSettled(writing);
    if (outcomes.some(({ status }) => status === 'rejected')) {
      await lease.leave();
      continue;
    }
    await lease.nameImage({ name: stressName(n), target: image.target });
    if (choice < 200) await lease.release();
    else await lease.leave();
    if (choice % 5 === 0) {
      for (const { name, target } of await store.listImages()) {
        if (target.digest === image.target.digest) await store.removeImage(name);
      }
    }
  }
}

if (import.meta.main) await importForever();
