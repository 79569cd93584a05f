import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Branch } from '../../src/agent/relay/branch.ts';
import { RelayBuffers } from '../../src/agent/relay/buffers.ts';
import { ForkedBody } from '../../src/agent/relay/forked-body.ts';
import { Patience } from '../../src/agent/relay/patience.ts';
import { ImgctlError } from '../../src/errors.ts';

const chunk = 10_000;
const hold = 10 * chunk;
const never = new AbortController().signal;

/** `count` chunks; one every `everyMs`, as far as they are taken. */
async function* source(count: number, everyMs: number, count_ = { given: 0 }): AsyncGenerator<Uint8Array> {
  const begun = performance.now();
  for (let i = 0; i < count; i += 1) {
    const due = i * everyMs - (performance.now() - begun);
    if (due > 1) await sleep(due);
    count_.given += 1;
    yield new Uint8Array(chunk);
  }
}

/** Takes a chunk every `everyMs` at most; answers how many it got, and why it ended. */
async function reader(branch: Branch, everyMs: number): Promise<{ chunks: number; error?: unknown }> {
  let chunks = 0;
  try {
    for await (const _ of branch) {
      chunks += 1;
      if (everyMs > 0) await sleep(everyMs);
    }
    return { chunks };
  } catch (error) {
    return { chunks, error };
  }
}

function fork(patienceMs = 100) {
  const body = new ForkedBody(() => hold);
  const tooSlow = () => new ImgctlError('node_stalled', 'too slow');
  return { body, one: body.branch({ patienceMs, tooSlow }), other: body.branch({ patienceMs, tooSlow }) };
}

describe('a body for two readers', () => {
  it('gives both the same bytes, and holds no more than it may', async () => {
    const { body, one, other } = fork(10_000);
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, one.queued, other.queued);
    }, 1);

    const pouring = body.pour(source(200, 0), never);
    const results = await Promise.all([reader(one, 0), reader(other, 2), pouring]);
    clearInterval(watch);

    expect(results.slice(0, 2)).toEqual([{ chunks: 200 }, { chunks: 200 }]);
    expect(most).toBeLessThanOrEqual(hold);
    expect(body.received).toBe(200 * chunk);
  });

  it('drops one that takes nothing, and the other gets everything', async () => {
    const { body, one, other } = fork();

    const [got] = await Promise.all([reader(one, 0), body.pour(source(100, 0), never)]);

    expect(got).toEqual({ chunks: 100 });
    expect(other.dropped.aborted).toBe(true);
    expect(other.queued).toBe(0);
    expect(await reader(other, 0)).toMatchObject({ chunks: 0, error: { code: 'node_stalled' } });
  });

  it('drops one that is ten times slower', async () => {
    const { body, one, other } = fork();

    const [got, slow] = await Promise.all([
      reader(one, 0),
      reader(other, 30),
      body.pour(source(300, 3), never),
    ]);

    expect(got).toEqual({ chunks: 300 });
    expect(slow).toMatchObject({ error: { code: 'node_stalled' } });
  });

  it('waits for one that is a little slower', async () => {
    const { body, one, other } = fork();

    const results = await Promise.all([reader(one, 0), reader(other, 6), body.pour(source(300, 5), never)]);

    expect(results.slice(0, 2)).toEqual([{ chunks: 300 }, { chunks: 300 }]);
  });

  it('waits for both when both are slow', async () => {
    const { body, one, other } = fork();

    const results = await Promise.all([reader(one, 20), reader(other, 20), body.pour(source(60, 0), never)]);

    expect(results.slice(0, 2)).toEqual([{ chunks: 60 }, { chunks: 60 }]);
  });

  it('waits as long as it takes for one that is alone', async () => {
    const { body, one, other } = fork();
    other.close();

    const pouring = body.pour(source(30, 0), never);
    await sleep(500);

    expect(one.dropped.aborted).toBe(false);
    expect(await reader(one, 0)).toEqual({ chunks: 30 });
    await pouring;
  });

  it('tells both when the source fails, after what came', async () => {
    const { body, one, other } = fork();
    async function* failing() {
      yield* source(3, 0);
      throw new ImgctlError('interrupted', 'the sender died');
    }

    const results = await Promise.all([reader(one, 0), reader(other, 0), body.pour(failing(), never)]);

    expect(results.slice(0, 2)).toMatchObject([
      { chunks: 3, error: { code: 'interrupted' } },
      { chunks: 3, error: { code: 'interrupted' } },
    ]);
  });

  it('stops at once when it is aborted, also while it waits for room', async () => {
    const { body, one, other } = fork(10_000);
    const stop = new AbortController();
    const given = { given: 0 };
    const pouring = body.pour(source(1000, 0, given), stop.signal);
    await sleep(50);

    stop.abort(new ImgctlError('interrupted', 'enough'));
    await pouring;

    expect(given.given).toBeLessThanOrEqual(12);
    expect(await reader(one, 0)).toMatchObject({ error: { message: 'enough' } });
    expect(other.queued).toBeLessThanOrEqual(hold);
  });
});

describe('the patience with a reader', () => {
  it('lasts twice its limit where it stands still', () => {
    const patience = new Patience(500);
    expect(patience.leftMs).toBe(1000);
    patience.heldUp(600);
    expect(patience.leftMs).toBe(400);
    patience.heldUp(400);
    expect(patience.leftMs).toBe(0);
  });

  it('comes back while it flows', () => {
    const patience = new Patience(500);
    patience.heldUp(800);
    patience.flowed(400);
    expect(patience.leftMs).toBe(600);
    patience.flowed(0, 200);
    expect(patience.leftMs).toBe(1000);
  });
});

describe('the buffers of an agent', () => {
  it('are 8 MiB for each blob, and less for each where there are many', () => {
    const buffers = new RelayBuffers();
    const MiB = 1024 * 1024;
    const some = Array.from({ length: 3 }, () => buffers.take());
    expect(some[0]?.bytes()).toBe(8 * MiB);
    const more = Array.from({ length: 21 }, () => buffers.take());
    expect(some[0]?.bytes()).toBe(MiB);
    for (const buffer of more) buffer[Symbol.dispose]();
    expect(some[0]?.bytes()).toBe(8 * MiB);
  });
});
