import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import {
  expectWhole,
  freshImage,
  freshName,
  importImage,
  owner,
  partialOf,
} from '../../contract/store/fixture.ts';
import { chunksOf, randomBlob } from '../../support/blobs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const directory = temporaryDirectory();
let mounted = false;
beforeEach(() => {
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', directory()], { stdio: 'ignore' });
    mounted = true;
  } catch {
    mounted = false;
  }
});
afterEach(() => {
  if (mounted) execFileSync('/bin/umount', [directory()]);
});

it('tells that the disk is full, keeps what arrived, and goes on once there is space', async ({ skip }) => {
  if (!mounted) skip('mounting a small file system needs root');
  await using store = await openOciLayoutStore({ directory: directory() });
  const [name, image] = [freshName(), freshImage()];
  await importImage(store, name, image);
  const ballast = randomBlob(1_000_000);
  const keeping = await store.openLease({ owner: 'other' });
  await keeping.write(ballast.descriptor, 0, chunksOf(ballast.bytes));

  const blob = randomBlob(1_500_000);
  const first = await store.openLease({ owner });
  await expect(first.write(blob.descriptor, 0, chunksOf(blob.bytes, 65_536))).rejects.toMatchObject({
    name: 'ImgctlError',
    code: 'store_full',
    hint: expect.stringContaining('images rm'),
  });
  await expect(first.ingest(1_500_000, chunksOf(blob.bytes, 65_536))).rejects.toMatchObject({
    code: 'store_full',
  });
  await first.leave();
  expect(await readdir(join(directory(), '.imgctl/ingest'))).toEqual([
    expect.stringMatching(/^sha256-[0-9a-f]{64}$/),
  ]);
  expect(await readdir(join(directory(), '.imgctl'))).not.toContain('unfinished');
  await store.confirmImage({ name, target: image.target, runnable: false });

  await keeping.release();
  await using next = await store.openLease({ owner });
  const held = (await partialOf(next, blob)) ?? 0;
  expect(held).toBeGreaterThan(500_000);
  await next.write(blob.descriptor, held, chunksOf(blob.bytes.subarray(held)));
  await expectWhole(store, [blob]);
});

it('keeps every name when the disk is full while names are given', async ({ skip }) => {
  if (!mounted) skip('mounting a small file system needs root');
  await using store = await openOciLayoutStore({ directory: directory() });
  const [name, image] = [freshName(), freshImage()];
  await importImage(store, name, image);
  await using lease = await store.openLease({ owner });
  const ballast = randomBlob(4_000_000);
  await expect(lease.write(ballast.descriptor, 0, chunksOf(ballast.bytes))).rejects.toMatchObject({
    code: 'store_full',
  });
  await expect(store.tagImage({ name: freshName(), target: image.target })).rejects.toMatchObject({
    code: 'store_full',
  });
  expect((await store.listImages()).map((stored) => stored.name)).toContain(name);
  // What is in the way can go although nothing can be written
  await lease.release();
  await store.tagImage({ name: freshName(), target: image.target });
});
