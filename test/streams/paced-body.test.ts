import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { giveBackChunk, lendChunk } from '../../src/streams/chunk-pool.ts';
import { PacedBody, passAll } from '../../src/streams/paced-body.ts';
import { RateLimit } from '../../src/streams/rate-limit.ts';
import { FakeClock } from './fake-clock.ts';

const rate = 1_000_000;

async function* from(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** All of it, with time passing as long as it is not at its end. */
async function readAll(body: PacedBody, clock: FakeClock): Promise<Uint8Array[]> {
  let ended = false;
  const reading = Array.fromAsync(body).finally(() => {
    ended = true;
  });
  while (!ended) await clock.pass(10);
  return reading;
}

describe('a paced body', () => {
  it('is the same bytes, in pieces that are not larger than half a burst', async () => {
    const clock = new FakeClock();
    const bytes = randomBytes(300_000);
    const body = new PacedBody(
      from(bytes.subarray(0, 200_000), bytes.subarray(200_000)),
      new RateLimit(rate, clock).flow(),
    );
    const pieces = await readAll(body, clock);
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    expect(Math.max(...pieces.map(({ byteLength }) => byteLength))).toBe(rate / 40);
    expect(clock.now()).toBeGreaterThanOrEqual(250);
  });

  it('is the very chunks where there is no limit', async () => {
    const chunks = [randomBytes(2_000_000), randomBytes(10)];
    const flow = new RateLimit(Number.POSITIVE_INFINITY).flow();
    const read = await Array.fromAsync(new PacedBody(from(...chunks), flow));
    expect(read.map((chunk, i) => chunk === chunks[i])).toEqual([true, true]);
  });

  it('reads nothing ahead of what is taken', async () => {
    const clock = new FakeClock();
    let read = 0;
    async function* source() {
      for (;;) {
        read += 1;
        yield randomBytes(60_000);
      }
    }
    const body = new PacedBody(source(), new RateLimit(rate, clock).flow());
    await body.next();
    await clock.pass(10_000);
    expect(read).toBe(1);
    await body.return();
  });

  it('shares a lent chunk among its pieces: it is used again when all of them were given back, and not before', async () => {
    const clock = new FakeClock();
    const chunk = lendChunk();
    const { buffer } = chunk;
    const body = new PacedBody(from(chunk), new RateLimit(rate, clock).flow());
    const [first, ...others] = await readAll(body, clock);
    const lentNow = () => Array.from({ length: 40 }, () => lendChunk().buffer);
    for (const piece of others) giveBackChunk(piece);
    expect(lentNow()).not.toContain(buffer);
    giveBackChunk(first ?? chunk);
    expect(lentNow()).toContain(buffer);
  });

  it('ends when it is left while it waits, and closes its source', async () => {
    const clock = new FakeClock();
    let closed = false;
    async function* source() {
      try {
        for (;;) yield randomBytes(25_000);
      } finally {
        closed = true;
      }
    }
    const body = new PacedBody(source(), new RateLimit(rate, clock).flow());
    await body.next();
    await body.next();
    const waiting = body.next();
    waiting.catch(() => {});
    await clock.pass(1);
    await body.return();
    await expect(waiting).rejects.toThrow();
    expect([closed, clock.timers]).toEqual([true, 0]);
  });

  it('ends with the reason of its signal while it waits', async () => {
    const gone = new AbortController();
    const clock = new FakeClock();
    const body = new PacedBody(from(randomBytes(1_000_000)), new RateLimit(rate, clock).flow(), gone.signal);
    const reading = Array.fromAsync(body);
    reading.catch(() => {});
    await clock.pass(100);
    gone.abort(new Error('gone'));
    await expect(reading).rejects.toThrow('gone');
    expect(clock.timers).toBe(0);
  });

  it('fails as its source does', async () => {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield randomBytes(10);
      throw new Error('unreadable');
    }
    const body = new PacedBody(source(), new RateLimit(rate).flow());
    await expect(Array.fromAsync(body)).rejects.toThrow('unreadable');
  });
});

it('what goes at once is waited for in pieces, so that others come in between', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit(rate, clock);
  const large = passAll(500_000, limit.flow());
  await clock.pass(1);
  let other = false;
  void limit
    .flow()
    .take(25_000)
    ?.then(() => {
      other = true;
    });
  await clock.pass(100);
  expect(other).toBe(true);
  await clock.pass(1_000);
  await large;
});
