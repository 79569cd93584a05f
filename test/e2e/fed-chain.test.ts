import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeArchive } from '../bench/archive.ts';
import { startCluster } from '../bench/cluster.ts';
import { runImport } from '../bench/run-import.ts';

/** At this rate the links are the limit, and not the processors of the machine that plays all the nodes. */
const rateMbit = 30;
const layers = 3;

it('what one node has comes to five others over its link about once, and hardly over the command’s', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'imgctl-fed-chain-'));
  try {
    const archive = join(directory, 'image.tar');
    await writeArchive(archive, 'docker.io/library/fed:1', layers, 12 * 1024 * 1024);
    const { size } = await stat(archive);
    await using cluster = await startCluster({ directory, nodes: 6, rateMbit });
    const [holder] = cluster.agents;
    if (holder === undefined) throw new Error('no nodes');
    await runImport(cluster, archive, { agents: [holder] });
    const before = await holder.host.traffic();

    const { nodes, bytesSent, uplinkBytes } = await runImport(cluster, archive);

    const { sentBytes } = await holder.host.traffic();
    expect(nodes.map(({ status }) => status)).toEqual(['unchanged', ...Array(5).fill('imported')]);
    // Documents, the events' streams and handshakes
    expect(bytesSent).toBeLessThan(0.01 * size);
    expect(uplinkBytes).toBeLessThan(0.02 * size);
    for (const { bytesFromPeers } of nodes.slice(1)) expect(bytesFromPeers).toBeGreaterThan(0.99 * size);
    // Five times, if each of them fetched it
    expect(sentBytes - before.sentBytes).toBeLessThan(1.8 * size);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 120_000);
