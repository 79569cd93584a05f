import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import { createMemoryStore, type MemoryStore } from '../../src/store/memory/memory-store.ts';
import type { Lease } from '../../src/store/store.ts';
import { BlobWriters } from '../../src/transfer/blob-writers.ts';
import { receiveBlob } from '../../src/transfer/receive-blob.ts';
import { randomBlob } from '../support/blobs.ts';

const size = 50_000;
/** Half of what a busy machine may take to do nothing would be too short. */
const patienceMs = 500;

describe('senders of one blob to several imports', () => {
  const blob = randomBlob(size);
  const { digest } = blob.descriptor;
  let store: MemoryStore;
  let writers: BlobWriters;

  beforeEach(async () => {
    store = createMemoryStore();
    writers = new BlobWriters(patienceMs);
  });

  /** A sender of the blob from `offset` on, or from wherever it is told to; `begun`: where it began to send. */
  function send(chunks: (from: number) => AsyncIterable<Uint8Array>, offset?: number, into?: Lease) {
    const begun: number[] = [];
    const progress: number[] = [];
    const receive = async () =>
      receiveBlob({
        lease: into ?? (await store.openLease({ owner: 'node-1' })),
        writers,
        descriptor: blob.descriptor,
        offset,
        body: (held) => {
          begun.push(held);
          return chunks(offset ?? held);
        },
        signal: new AbortController().signal,
        onProgress: (at) => progress.push(at),
        committing: (work) => work(),
      });
    const received = receive();
    received.catch(() => {});
    return { begun, progress, received };
  }

  async function* steadily(from: number, everyMs = 0, to = size): AsyncGenerator<Uint8Array> {
    for (let at = from; at < to; at += 5_000) {
      if (everyMs > 0) await sleep(everyMs);
      yield blob.bytes.subarray(at, Math.min(to, at + 5_000));
    }
  }

  async function* hangingAfter(from: number, to: number): AsyncGenerator<Uint8Array> {
    yield* steadily(from, 0, to);
    await new Promise(() => {});
  }

  async function stored(): Promise<Buffer> {
    return Buffer.concat(await Array.fromAsync(store.read(digest)));
  }

  it('go on from what one brought that hangs, and that one is content with it', async () => {
    const hung = send((from) => hangingAfter(from, 15_000), 0);
    await expect.poll(() => hung.progress.length).toBeGreaterThan(0);
    const other = send((from) => steadily(from));

    expect(await other.received).toBe(35_000);
    expect(await hung.received).toBe(15_000);
    expect([hung.begun, other.begun]).toEqual([[0], [15_000]]);
    expect(await stored()).toEqual(Buffer.from(blob.bytes));
    // Both say where it stands, and neither ever less than before
    for (const { progress } of [hung, other]) {
      expect(progress.at(-1)).toBe(size);
      expect(progress).toEqual(progress.toSorted((one, another) => one - another));
    }
  });

  it('may begin anew with bytes that are there: those are discarded', async () => {
    const hung = send((from) => hangingAfter(from, 15_000), 0);
    await expect.poll(() => hung.progress.length).toBeGreaterThan(0);
    const other = send((from) => steadily(from), 0);

    await Promise.all([hung.received, other.received]);
    expect(await stored()).toEqual(Buffer.from(blob.bytes));
  });

  it('wait for one that is merely slow', async () => {
    const slow = send((from) => steadily(from, patienceMs / 4), 0);
    await expect.poll(() => slow.begun).toEqual([0]);
    const other = send((from) => steadily(from));

    expect(await slow.received).toBe(size);
    expect(await other.received).toBe(0);
    expect(other.begun).toEqual([]);
    expect(await stored()).toEqual(Buffer.from(blob.bytes));
  });

  it('wait for one whose bytes the store takes slowly', async () => {
    let slowed = false;
    store = createMemoryStore({
      faults: {
        write: async () => {
          if (!slowed) await sleep(3 * patienceMs);
          slowed = true;
        },
      },
    });
    const first = send((from) => steadily(from), 0);
    await expect.poll(() => first.begun).toEqual([0]);
    const other = send((from) => steadily(from));

    expect([await first.received, await other.received]).toEqual([size, 0]);
  });

  it('leave one that hangs alone where there is no other', async () => {
    const hung = send((from) => hangingAfter(from, 15_000), 0);

    const ended = hung.received.then(() => 'ended');
    expect(await Promise.race([ended, sleep(3 * patienceMs, 'waits')])).toBe('waits');
  });

  it('all hear it when the one that took over dies too; what came is kept for the next', async () => {
    const hung = send((from) => hangingAfter(from, 15_000), 0);
    await expect.poll(() => hung.progress.length).toBeGreaterThan(0);
    const dying = send(async function* (from) {
      yield* steadily(from, 0, 25_000);
      throw new ImgctlError('interrupted', 'the client went away');
    });

    await expect(dying.received).rejects.toMatchObject({ message: 'the client went away' });
    await expect(hung.received).rejects.toMatchObject({ code: 'interrupted' });
    const next = send((from) => steadily(from));
    expect(await next.received).toBe(25_000);
    expect(next.begun).toEqual([25_000]);
    expect(await stored()).toEqual(Buffer.from(blob.bytes));
  });

  it('of one import give way to the latest at once, also where bytes trickle in on the way that was given up', async () => {
    const lease = await store.openLease({ owner: 'node-1' });
    const slow = send((from) => steadily(from, patienceMs / 4), 0, lease);
    await expect.poll(() => slow.progress.length).toBeGreaterThan(0);
    const latest = send((from) => steadily(from), undefined, lease);

    const [bySlow, byLatest] = await Promise.all([slow.received, latest.received]);
    expect(byLatest).toBeGreaterThanOrEqual(size / 2);
    expect(bySlow).toBe(size - byLatest);
    expect(slow.progress.at(-1)).toBe(size);
    expect(await stored()).toEqual(Buffer.from(blob.bytes));
  });

  it('of one import do not stop the one that they gave way to', async () => {
    const lease = await store.openLease({ owner: 'node-1' });
    const given = send((from) => hangingAfter(from, 10_000), 0, lease);
    await expect.poll(() => given.progress.length).toBeGreaterThan(0);
    const latest = send((from) => steadily(from, 2 * patienceMs, from + 10_000), undefined, lease);

    await expect(latest.received).rejects.not.toMatchObject({ code: 'interrupted' });
    await expect(given.received).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('of one import all give way in turn, and all are content when the latest brings it', async () => {
    const lease = await store.openLease({ owner: 'node-1' });
    const first = send((from) => hangingAfter(from, 10_000), 0, lease);
    await expect.poll(() => first.begun).toEqual([0]);
    const second = send((from) => hangingAfter(from, 20_000), undefined, lease);
    const third = send((from) => steadily(from), undefined, lease);

    await Promise.all([first.received, second.received, third.received]);
    expect(await third.received).toBeGreaterThanOrEqual(size - 20_000);
    expect(await stored()).toEqual(Buffer.from(blob.bytes));
  });
});
