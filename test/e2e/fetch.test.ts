import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentTrust, createAgentClient } from '../../src/agent-api/agent-client.ts';
import { readToken } from '../../src/trust/token-file.ts';
import { makeTestAuthority } from '../support/agent-certificates.ts';
import { type AgentOptions, type AgentProcess, startAgent } from '../support/agent-process.ts';
import { blobOf, chunksOf, seededBytes } from '../support/blobs.ts';

const mib = 1024 * 1024;
/** What an agent stays under, whatever passes through it. */
const agentMemory = 200 * mib;

let dir: string;
let tokenFile: string;
const agents: AgentProcess[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-fetch-'));
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
  await rm(dir, { recursive: true });
});

/** An agent of the cluster that the first one's token is for, and a client of it. */
async function start(name: string, more: Partial<AgentOptions> = {}, trust: AgentTrust = {}) {
  const args = agents[0] === undefined ? [] : ['--token-file', agents[0].tokenFile];
  const agent = await startAgent({ store: `oci:${join(dir, name)}`, name, args, ...more });
  agents.push(agent);
  tokenFile = agents[0]?.tokenFile ?? agent.tokenFile;
  const baseUrl = new URL(`${more.tls === undefined ? 'http' : 'https'}://${agent.address}`);
  return {
    agent,
    url: baseUrl.origin,
    client: createAgentClient({ baseUrl, name, trust: { ...trust, token: await readToken(tokenFile) } }),
  };
}

function peakBytes(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(peak) * 1024;
}

describe('fetching between agents', () => {
  it('stays within its memory for 512 MiB from two peers, and one of them may be killed', async () => {
    const size = 512 * mib;
    const blob = blobOf(seededBytes('fetch', size));
    const { descriptor } = blob;
    const { digest } = descriptor;
    const [one, two, fetching] = [await start('one'), await start('two'), await start('fetching')];
    const imports = await Promise.all([one, two].map(({ client }) => client.openImport({})));
    for (const target of imports)
      await target.put({ digest, offset: 0, size }, () => chunksOf(blob.bytes, 1024 * 1024));
    const target = await fetching.client.openImport({});

    const killed = new AbortController();
    const events = (async () => {
      for await (const event of target.events(killed.signal))
        if (event.type === 'blob' && event.offset > size / 2) {
          void two.agent.kill('SIGKILL');
          return;
        }
    })();
    const begun = performance.now();
    const { from } = await target.fetch(descriptor, [one.url, two.url]);
    const seconds = (performance.now() - begun) / 1000;
    killed.abort();
    await events.catch(() => undefined);

    expect(await fetching.client.have([digest])).toEqual(new Set([digest]));
    expect(from.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(1.1 * size);
    for (const { bytes } of from) expect(bytes).toBeGreaterThan(0);
    const peak = peakBytes(fetching.agent.pid);
    expect(peak, `${Math.round(peak / mib)} MiB, ${seconds.toFixed(1)} s`).toBeLessThan(agentMemory);
    expect(peakBytes(one.agent.pid)).toBeLessThan(agentMemory);
  }, 120_000);

  it('stays within its memory for many blobs at once, over TLS', async () => {
    await using authority = await makeTestAuthority();
    const trust = { ca: authority.pair.cert };
    const blobs = Array.from({ length: 8 }, (_, i) => blobOf(seededBytes(`fetch ${i}`, 48 * mib)));
    const peer = await start('peer', { tls: await authority.issue('peer') }, trust);
    const fetching = await start('fetching', { tls: await authority.issue('fetching') }, trust);
    const held = await peer.client.openImport({});
    for (const { descriptor, bytes } of blobs)
      await held.put({ ...descriptor, offset: 0 }, () => chunksOf(bytes, 1024 * 1024));
    const target = await fetching.client.openImport({});

    await Promise.all(blobs.map(({ descriptor }) => target.fetch(descriptor, [peer.url])));

    const digests = blobs.map(({ descriptor }) => descriptor.digest);
    expect(await fetching.client.have(digests)).toEqual(new Set(digests));
    const peak = peakBytes(fetching.agent.pid);
    expect(peak, `${Math.round(peak / mib)} MiB`).toBeLessThan(agentMemory);
    expect(peakBytes(peer.agent.pid)).toBeLessThan(agentMemory);
  }, 120_000);
});
