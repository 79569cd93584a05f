import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { digestOf } from '../../../src/image/digest.ts';
import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import { bytesOf, seededBytes } from '../../support/blobs.ts';
import { stressImage, stressImages, stressName } from './stress-writer.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgctl-stress-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it.each(['first', 'second'])(
  'survives processes that write at once and are killed at random (seed: %s)',
  { timeout: 60_000 },
  async (seed) => {
    const lives = seededBytes(seed, 9);
    const lanes = [0, 1, 2].map(async (lane) => {
      for (const [life, length] of lives.entries()) {
        if (life % 3 === lane)
          await liveAndDie(`${seed} ${life}`, { tries: 1 + (length % 5), thenMs: length / 4 });
      }
    });
    await Promise.all(lanes);

    {
      await using store = await openOciLayoutStore({ directory });
      const images = await store.listImages();
      expect(images.length, 'nothing was ever named').toBeGreaterThan(0);
      for (const { name, target } of images) {
        const n = Array.from({ length: stressImages }, (_, i) => i).find(
          (i) => stressImage(i).target.digest === target.digest,
        );
        expect(n, `${name} is of an image that nobody made`).toBeDefined();
        await store.confirmImage({ name, target, runnable: false });
        for (const { descriptor } of stressImage(n ?? 0).blobs) {
          expect(digestOf(await bytesOf(store.read(descriptor.digest)))).toBe(descriptor.digest);
        }
      }
      // Whatever was broken off, the next import completes
      for (let n = 0; n < stressImages; n++) await complete(store, n);
    }

    const later = () => Date.now() + 2 * 60 * 60 * 1000;
    await using store = await openOciLayoutStore({ directory, now: later });
    const expected = Array.from({ length: stressImages }, (_, n) => stressImage(n).blobs)
      .flat()
      .map(({ descriptor }) => descriptor.digest.slice('sha256:'.length));
    expect((await readdir(join(directory, 'blobs/sha256'))).sort()).toEqual([...new Set(expected)].sort());
    expect(await readdir(join(directory, '.imgctl/ingest'))).toEqual([]);
    expect(await readdir(join(directory, '.imgctl/leases'))).toEqual([]);

    for (const { name } of await store.listImages()) await store.removeImage(name);
    expect(await readdir(join(directory, 'blobs/sha256'))).toEqual([]);
  },
);

/** Killed so long after it began its last try. */
async function liveAndDie(seed: string, { tries, thenMs }: { tries: number; thenMs: number }): Promise<void> {
  const script = join(import.meta.dirname, 'stress-writer.ts');
  const child = spawn(process.execPath, [script, directory, seed], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const errors = text(child.stderr);
  let begun = 0;
  for await (const _ of createInterface(child.stdout)) {
    begun += 1;
    if (begun === tries) break;
  }
  await sleep(thenMs);
  child.kill('SIGKILL');
  expect(await errors).toBe('');
}

async function complete(store: Awaited<ReturnType<typeof openOciLayoutStore>>, n: number): Promise<void> {
  const image = stressImage(n);
  const lease = await store.openLease({ owner: 'stress' });
  const { partial } = await lease.claim({ blobs: image.blobs.map(({ descriptor }) => descriptor) });
  for (const { descriptor, bytes } of image.blobs) {
    const offset = partial.get(descriptor.digest) ?? 0;
    async function* rest() {
      yield Uint8Array.from(bytes.subarray(offset));
    }
    await lease.write(descriptor, offset, rest());
  }
  await lease.nameImage({ name: stressName(n), target: image.target });
  await lease.release();
}
