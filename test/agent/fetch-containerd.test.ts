import { afterAll, beforeAll, expect, it } from 'vitest';
import { openContainerdStore } from '../../src/store/containerd/containerd-store.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { randomBlob } from '../support/blobs.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { describeContainerd } from '../support/require-containerd.ts';
import { type Cluster, makeCluster, startPeer, stored } from './fetch-nodes.ts';

const mib = 1024 * 1024;

describeContainerd('fetching into containerd', (generation) => {
  let daemon: ContainerdDaemon;
  let cluster: Cluster;
  beforeAll(async () => {
    daemon = await startContainerd(generation);
    cluster = await makeCluster();
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await daemon?.stop();
  });

  /** An agent in front of this containerd, in a namespace of its own: nothing is shared between two of them. */
  const node = async (namespace: string) => {
    const store = await openContainerdStore({ address: daemon.socket, namespace });
    return cluster.node([], { store, settings: { namespace } });
  };

  it('brings a blob from one containerd through two agents into another, and goes on after a peer that dies', async () => {
    const blob = randomBlob(20 * mib);
    await using peer = await cluster.node([blob]);
    await using first = await node('fetched');
    const dying = await startPeer(20 * mib, (response, { start, end }) => {
      response.writeHead(206, {
        'content-length': end - start,
        'content-range': `bytes ${start}-${end - 1}/${20 * mib}`,
      });
      response.write(blob.bytes.subarray(start, start + mib));
      setTimeout(() => dying.die(), 50);
    });
    const target = await first.client.openImport({});
    await expect(target.fetch(blob.descriptor, [dying.url])).rejects.toMatchObject({
      code: 'node_unreachable',
    });

    const { received } = await target.fetch(blob.descriptor, [peer.url.origin]);
    expect(received).toBeLessThan(20 * mib);

    // From this containerd, too
    const store = createMemoryStore();
    await using second = await cluster.node([], { store });
    const next = await second.client.openImport({});
    await next.fetch(blob.descriptor, [first.url.origin]);
    expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
  });

  it('discards what does not verify, and fetches it whole from another peer', async () => {
    const blob = randomBlob(5 * mib);
    await using wrong = await startPeer(5 * mib, (response, { start, end }) => {
      response.writeHead(206, {
        'content-length': end - start,
        'content-range': `bytes ${start}-${end - 1}/${5 * mib}`,
      });
      response.end(Buffer.alloc(end - start));
    });
    await using peer = await cluster.node([blob]);
    await using agent = await node('lied-to');
    const target = await agent.client.openImport({});

    const { from } = await target.fetch(blob.descriptor, [wrong.url, peer.url.origin]);

    expect(from[0]).toMatchObject({ error: { code: 'digest_mismatch' } });
    expect(await agent.client.have([blob.descriptor.digest])).toEqual(new Set([blob.descriptor.digest]));
  });
});
