import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ImportEvent } from '../../src/agent-api/events.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { imageOf, randomBlob } from '../support/blobs.ts';
import { startAgent } from './test-agent.ts';

/** The blob's bytes, a thousandth at a time until `slow` is over. */
async function* slowly(bytes: Uint8Array, ms: number): AsyncGenerator<Uint8Array> {
  const half = bytes.byteLength / 2;
  yield bytes.slice(0, half);
  await delay(ms);
  yield bytes.slice(half);
}

describe('an agent that is told to stop', () => {
  it('lets a transfer finish, tells readers of events, and leaves the import for the next try', async () => {
    const store = createMemoryStore();
    await using agent = await startAgent(store, { limits: { stopMs: 5_000 } });
    const blob = randomBlob(100_000);
    const { digest, size } = blob.descriptor;
    const target = await agent.client.openImport({
      images: [{ name: 'app:1', target: imageOf(['x']).target }],
    });
    const events: Promise<ImportEvent[]> = Array.fromAsync(target.events());
    const putting = target.put({ digest, offset: 0, size }, () => slowly(blob.bytes, 400));
    await delay(100);

    const stopped = agent.stop();

    expect(await putting).toMatchObject({ received: size });
    expect((await events).at(-1)).toMatchObject({
      type: 'error',
      error: { code: 'interrupted', message: 'the agent is stopping' },
    });
    await stopped;
    expect(store.contents().leases.every(({ expiresAt }) => expiresAt !== undefined)).toBe(true);
    await expect(agent.client.healthz()).rejects.toMatchObject({ code: 'node_unreachable' });
  });

  it('takes nothing new meanwhile', async () => {
    await using agent = await startAgent(createMemoryStore(), { limits: { stopMs: 5_000 } });
    const blob = randomBlob(100_000);
    const { digest, size } = blob.descriptor;
    const target = await agent.client.openImport({});
    const reading = Array.fromAsync(target.events());
    const putting = target.put({ digest, offset: 0, size }, () => slowly(blob.bytes, 500));
    // A connection that stays open: new ones are not accepted
    await agent.client.healthz();
    await delay(100);

    const stopped = agent.stop();

    await expect(agent.client.openImport({})).rejects.toMatchObject({
      code: expect.stringMatching(/interrupted|node_unreachable/),
    });
    await Promise.all([putting, reading, stopped]);
  });

  it('breaks off what takes too long, and keeps what came of it', async () => {
    const store = createMemoryStore();
    await using agent = await startAgent(store, { limits: { stopMs: 200 } });
    const blob = randomBlob(100_000);
    const { digest, size } = blob.descriptor;
    const target = await agent.client.openImport({});
    const putting = target.put({ digest, offset: 0, size }, () => slowly(blob.bytes, 5_000));
    const broken = expect(putting).rejects.toThrow();
    await delay(100);

    await agent.stop();

    await broken;
    expect(store.contents().partials.get(digest)).toBe(50_000);
  });
});

describe('an import that nobody uses', () => {
  it('is left after the idle time; one whose events are read is not', async () => {
    const store = createMemoryStore();
    await using agent = await startAgent(store, { limits: { importIdleMs: 150 } });
    const [idle, watched] = [await agent.client.openImport({}), await agent.client.openImport({})];
    const events = watched.events()[Symbol.asyncIterator]();
    const next = events.next();
    await delay(500);

    await expect(idle.state()).rejects.toMatchObject({ code: 'import_gone' });
    expect(await watched.state()).toMatchObject({ id: watched.id });
    await watched.leave();
    await next;
  });

  it('is told to be alive while there is nothing to tell', async () => {
    await using agent = await startAgent(createMemoryStore(), { limits: { aliveMs: 60 } });
    const target = await agent.client.openImport({});
    const events = target.events()[Symbol.asyncIterator]();

    expect(await events.next()).toMatchObject({ value: { type: 'alive' } });
    await target.leave();
    expect(await events.next()).toMatchObject({ value: { type: 'error', error: { code: 'interrupted' } } });
    expect((await events.next()).done).toBe(true);
  });

  it('is not opened when there are too many', async () => {
    await using agent = await startAgent(createMemoryStore(), { limits: { maxImports: 2 } });
    const first = await agent.client.openImport({});
    await agent.client.openImport({});

    await expect(agent.client.openImport({})).rejects.toMatchObject({ code: 'overloaded' });
    await first.leave();
    await agent.client.openImport({});
  });
});
