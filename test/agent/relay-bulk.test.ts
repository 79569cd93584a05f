import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openOciLayoutStore } from '../../src/store/oci-layout/oci-layout-store.ts';
import { blobOf, seededBytes, type TestBlob } from '../support/blobs.ts';
import { startRouteOver } from './relay-route.ts';

const MiB = 1024 * 1024;

/** Sends it along so many agents with stores on disk; answers seconds, and how much memory grew. */
async function sendAlong(count: number, blob: TestBlob): Promise<{ seconds: number; grownMiB: number }> {
  const dir = await mkdtemp(join(tmpdir(), 'imgctl-relay-bulk-'));
  const stores = await Promise.all(
    Array.from({ length: count }, (_, i) => openOciLayoutStore({ directory: join(dir, `store-${i}`) })),
  );
  try {
    // On a busy machine an agent may well be silent for long: what is asked here is what passes through it
    await using route = await startRouteOver(stores, {
      limits: { relayPatienceMs: 60_000, peerStallMs: 60_000 },
    });
    const before = process.memoryUsage.rss();
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 20);
    const begun = performance.now();
    const { error, relay } = await route.send(blob);
    const seconds = (performance.now() - begun) / 1000;
    clearInterval(watch);
    expect(error).toBeUndefined();
    expect(relay.filter(({ ok }) => ok)).toHaveLength(count - 1);
    return { seconds, grownMiB: (most - before) / MiB };
  } finally {
    await rm(dir, { recursive: true });
  }
}

describe('a large blob', () => {
  it('passes through eight agents with the memory of their buffers', async () => {
    const blob = blobOf(seededBytes('relay', 128 * MiB));

    const { seconds, grownMiB } = await sendAlong(8, blob);

    process.stderr.write(
      `128 MiB along 8 agents of one process: ${seconds.toFixed(1)} s, ${grownMiB.toFixed(0)} MiB more\n`,
    );
    // 8 MiB each, what the sockets hold, and what was not collected yet; all of it would be 1 GiB
    expect(grownMiB).toBeLessThan(300);
  }, 120_000);

  it('is sent along four agents of one machine, and what that costs beside one is printed', async () => {
    const blob = blobOf(seededBytes('ratio', 64 * MiB));
    await sendAlong(1, blob);
    const one = await sendAlong(1, blob);
    const four = await sendAlong(4, blob);

    process.stderr.write(
      `64 MiB to 1 agent: ${one.seconds.toFixed(2)} s; along 4, on the same processor: ${four.seconds.toFixed(2)} s, ${(four.seconds / one.seconds).toFixed(2)} times\n`,
    );
  }, 120_000);
});
