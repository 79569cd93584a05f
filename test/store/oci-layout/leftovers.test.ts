import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import type { Store } from '../../../src/store/store.ts';
import {
  brokenAfter,
  expectGone,
  expectWhole,
  freshImage,
  freshName,
  importImage,
  owner,
  partialOf,
  put,
  silentAfter,
  wholeOf,
} from '../../contract/store/fixture.ts';
import { chunksOf, randomBlob } from '../../support/blobs.ts';
import { silentBlob } from './silent-writer.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const directory = temporaryDirectory();
const hourMs = 60 * 60 * 1000;
const open = (now?: () => number) => openOciLayoutStore({ directory: directory(), now });

/** Files beside the layout's own: nothing but the lock and who is here, when all is done. */
async function strays(): Promise<string[]> {
  const files = await readdir(join(directory(), '.imgctl'), { recursive: true });
  return files.filter((file) => !['lock', 'ingest', 'leases', 'owners'].includes(file));
}

describe('nothing is left over', () => {
  it('of a finished import, nor of a store that was closed', async () => {
    {
      await using store = await open();
      await importImage(store, freshName(), freshImage());
      expect(await strays()).toEqual([expect.stringMatching(/^owners\//)]);
    }
    expect(await strays()).toEqual([]);
  });

  it('of a lease that was left, once its hour has passed', async () => {
    const start = Date.now();
    let now = start;
    const [whole, part] = [randomBlob(1000), randomBlob(2000)];
    {
      await using store = await open(() => now);
      await using lease = await store.openLease({ owner });
      await put(lease, whole);
      await expect(lease.write(part.descriptor, 0, brokenAfter(700, part))).rejects.toThrow();
    }
    now = start + hourMs - 1;
    {
      await using store = await open(() => now);
      await expectWhole(store, [whole]);
    }
    now = start + hourMs;
    await using store = await open(() => now);
    expect(await wholeOf(store, [whole])).toEqual([false]);
    expect(await strays()).toEqual([expect.stringMatching(/^owners\//)]);
    await using lease = await store.openLease({ owner });
    expect(await partialOf(lease, part)).toBeUndefined();
  });

  it('of what expired, as soon as another import ends', async () => {
    let now = Date.now();
    await using store = await open(() => now);
    const left = await store.openLease({ owner: 'other' });
    const blob = randomBlob(1000);
    await put(left, blob);
    await left.leave();
    now += hourMs;
    await importImage(store, freshName(), freshImage());
    await expectGone(store, [blob]);
  });

  it('of a lease that was damaged by the disk', async () => {
    await (await open())[Symbol.asyncDispose]();
    const lease = join(directory(), '.imgctl/leases/00000000-0000-4000-8000-000000000000.json');
    await writeFile(lease, '');
    await using store = await open();
    await importImage(store, freshName(), freshImage());
    expect(await strays()).toEqual([expect.stringMatching(/^owners\//)]);
  });

  it('of a write whose lease is released meanwhile', async () => {
    await using store = await open();
    const lease = await store.openLease({ owner });
    const blob = randomBlob(200_000);
    const writing = lease.write(blob.descriptor, 0, silentAfter(100_000, blob));
    writing.catch(() => undefined);
    const ingesting = lease.ingest(200_000, silentAfter(100_000, blob));
    ingesting.catch(() => undefined);
    await expect.poll(() => readdir(join(directory(), '.imgctl/ingest'))).toHaveLength(2);
    await lease.release();
    await expect(writing).rejects.toMatchObject({ code: 'lease_lost' });
    await expect(ingesting).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await strays()).toEqual([expect.stringMatching(/^owners\//)]);
  });

  it('but what somebody else put there', async () => {
    await (await open())[Symbol.asyncDispose]();
    const odd = join(directory(), '.imgctl/ingest/notes.txt');
    await writeFile(odd, 'mine');
    await using store = await open();
    await importImage(store, freshName(), freshImage());
    expect(await readFile(odd, 'utf8')).toBe('mine');
  });
});

describe('two stores on one directory', () => {
  it('share a blob that both write at once', async () => {
    await using first = await open();
    await using second = await open();
    const blob = randomBlob(3_000_000);
    await using a = await first.openLease({ owner });
    await using b = await second.openLease({ owner });
    await Promise.all([put(a, blob), put(b, blob)]);
    await expectWhole(first, [blob]);
    expect(await readdir(join(directory(), '.imgctl/ingest'))).toEqual([]);
  });

  it('do not adopt from each other what is in use', async () => {
    await using first = await open();
    await using second = await open();
    await using a = await first.openLease({ owner });
    const blob = randomBlob(1000);
    await put(a, blob);
    const b = await second.openLease({ owner });
    await b.claim({ blobs: [blob.descriptor] });
    await b.release();
    await expectWhole(second, [blob]);
  });

  it('lose no name when both give names at once', async () => {
    await using first = await open();
    await using second = await open();
    const image = freshImage();
    await importImage(first, freshName(), image);
    const names = Array.from({ length: 40 }, freshName);
    const tag = (store: Store, name: string) => store.tagImage({ name, target: image.target });
    await Promise.all(names.map((name, i) => tag(i % 2 === 0 ? first : second, name)));
    const listed = new Set((await second.listImages()).map(({ name }) => name));
    expect(names.filter((name) => !listed.has(name))).toEqual([]);
  });
});

describe('another process', () => {
  it('that lives keeps what it has under its lease, and when it is killed its heir goes on', async () => {
    const child = await silentWriter();
    await using store = await open(() => Date.now() + 10 * hourMs);
    expect(await readdir(join(directory(), '.imgctl/leases'))).toHaveLength(1);
    const blob = silentBlob;
    {
      // It is written by somebody who lives: to wait is right, and so is to give up waiting
      await using lease = await store.openLease({ owner });
      const signal = AbortSignal.timeout(400);
      await expect(lease.write(blob.descriptor, 0, chunksOf(blob.bytes), { signal })).rejects.toThrow();
    }
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    await using heir = await openOciLayoutStore({ directory: directory() });
    await using lease = await heir.openLease({ owner });
    expect(await partialOf(lease, blob)).toBe(500_000);
    await lease.write(blob.descriptor, 500_000, chunksOf(blob.bytes.subarray(500_000)));
    await expectWhole(heir, [blob]);
  });
});

/** A process that writes half of a blob and then waits for the rest. */
async function silentWriter() {
  const script = join(import.meta.dirname, 'silent-writer.ts');
  const child = spawn(process.execPath, [script, directory()], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  for await (const _ of createInterface(child.stdout)) break;
  return child;
}
