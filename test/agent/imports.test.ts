import { describe, expect, it } from 'vitest';
import type { ImportEvent } from '../../src/agent-api/events.ts';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import type { Declaration } from '../../src/agent-api/schemas.ts';
import { hasCode } from '../../src/errors.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { chunksOf, imageOf, randomBlob, type TestBlob, type TestImage } from '../support/blobs.ts';
import { startAgent } from './test-agent.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };

function declarationOf(image: TestImage, name = 'app:1'): Declaration {
  return {
    images: [{ name, target: image.target }],
    documents: [image.manifest, image.config].map(({ descriptor, bytes }) => ({
      descriptor,
      data: Buffer.from(bytes).toString('base64'),
    })),
  };
}

function put(target: ImportHandle, { descriptor: { digest, size }, bytes }: TestBlob, offset = 0) {
  return target.put({ digest, offset, size }, () => chunksOf(bytes.subarray(offset), 1000));
}

describe('an import through an agent', () => {
  it('tells what is missing, takes it, and ends its events with the image ready', async () => {
    const store = createMemoryStore({ platforms: [amd64] });
    await using agent = await startAgent(store);
    const image = imageOf(['bottom', 'top']);

    const target = await agent.client.openImport(declarationOf(image));
    const events: Promise<ImportEvent[]> = Array.fromAsync(target.events());
    for (const layer of image.layers) {
      expect(await put(target, layer)).toEqual({ received: layer.bytes.byteLength, relay: [] });
    }

    expect(target.opened.missing.map(({ digest }) => digest)).toEqual(
      image.layers.map(({ descriptor }) => descriptor.digest),
    );
    expect((await events).at(-1)).toMatchObject({
      type: 'done',
      images: [{ name: 'docker.io/library/app:1', state: 'ready' }],
    });
    expect((await agent.client.images()).map(({ name }) => name)).toEqual(['docker.io/library/app:1']);
    expect(store.contents().leases).toEqual([]);
  });

  it('answers a blob that is there at once, and the rest of it is not sent', async () => {
    const store = createMemoryStore({ platforms: [amd64] });
    await using agent = await startAgent(store);
    const big = randomBlob(1_000_000);
    const first = await agent.client.openImport({});
    await put(first, big);
    let sent = 0;
    async function* endless() {
      for (;;) {
        sent += 1;
        yield new Uint8Array(64 * 1024);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }

    const again = await first.put(
      { digest: big.descriptor.digest, offset: 0, size: 10_000_000_000 },
      endless,
    );

    expect(again.received).toBe(0);
    const sentAtAnswer = sent;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sent).toBeLessThanOrEqual(sentAtAnswer + 1);
  });

  it('keeps what came before the sender died, and goes on from there', async () => {
    const store = createMemoryStore({ platforms: [amd64] });
    await using agent = await startAgent(store);
    const image = imageOf([Buffer.alloc(3_000_000, 7)]);
    const [layer] = image.layers as unknown as [TestBlob];
    const target = await agent.client.openImport(declarationOf(image));
    const { digest, size } = layer.descriptor;
    const dying = async function* () {
      yield layer.bytes.slice(0, 2_000_000);
      await expect.poll(() => store.contents().partials.get(digest)).toBe(2_000_000);
      throw new Error('the disk of the sender broke');
    };

    await expect(target.put({ digest, offset: 0, size }, dying)).rejects.toThrow(
      'the disk of the sender broke',
    );

    expect(store.contents().partials.get(digest)).toBe(2_000_000);
    expect(await put(target, layer, 2_000_000)).toMatchObject({ received: size - 2_000_000 });
    expect((await target.state()).missing).toEqual([]);
  });

  it('is gone after the agent restarted, and declared again lacks only what had not come', async () => {
    const store = createMemoryStore({ platforms: [amd64] });
    const image = imageOf(['bottom', 'top']);
    const [bottom, top] = image.layers as unknown as [TestBlob, TestBlob];
    let id: string;
    {
      await using agent = await startAgent(store);
      const target = await agent.client.openImport(declarationOf(image));
      id = target.id;
      await put(target, bottom);
    }
    await using agent = await startAgent(await store.restart());

    const error = await agent.client
      .openImport(declarationOf(image))
      .then(async (target) => {
        expect(target.opened.missing.map(({ digest }) => digest)).toEqual([top.descriptor.digest]);
        expect(target.id).not.toBe(id);
        await target.leave();
        return target.state();
      })
      .catch((thrown) => thrown);
    expect(hasCode(error, 'import_gone')).toBe(true);
  });

  it('is previewed without anything begun', async () => {
    const store = createMemoryStore({ platforms: [amd64] });
    await using agent = await startAgent(store);
    const image = imageOf(['only']);

    const preview = await agent.client.previewImport(declarationOf(image));

    expect(preview.id).toBe('');
    expect(preview.missing.map(({ digest }) => digest)).toContain(image.layers[0]?.descriptor.digest);
    expect(store.contents().blobs).toEqual([]);
    expect(store.contents().leases.every(({ expiresAt }) => expiresAt !== undefined)).toBe(true);
  });
});
