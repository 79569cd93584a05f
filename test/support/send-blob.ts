import { readFileSync } from 'node:fs';
import { createAgentClient } from '../../src/agent-api/agent-client.ts';
import { blobOf, chunksOf, seededBytes } from './blobs.ts';

/**
 * A program that sends one blob along agents, NAME=HOST:PORT each, over TLS, and prints how long it took and what came
 * of it: node send-blob.ts BYTES CA_FILE TOKEN_FILE AGENT…
 */
const [bytes = '', caFile = '', tokenFile = '', ...agents] = process.argv.slice(2);
const trust = { ca: readFileSync(caFile, 'utf8'), token: readFileSync(tokenFile, 'utf8').trim() };
const stops = await Promise.all(
  agents.map(async (agent) => {
    const [name = '', address = ''] = agent.split('=');
    const client = createAgentClient({ baseUrl: new URL(`https://${address}`), trust, name });
    return { name, client, handle: await client.openImport({}) };
  }),
);
const [first, ...behind] = stops;
if (first === undefined) throw new Error('no agent');
const blob = blobOf(seededBytes('sent', Number(bytes)));
const { digest, size } = blob.descriptor;
const begun = performance.now();
const result = await first.handle.put(
  { digest, offset: 0, size },
  () => chunksOf(blob.bytes, 256 * 1024),
  undefined,
  {
    relay: behind.map(({ name, client, handle }) => ({
      node: name,
      url: client.baseUrl.origin,
      import: handle.id,
    })),
  },
);
const seconds = (performance.now() - begun) / 1000;
process.stdout.write(`${JSON.stringify({ seconds, digest, result })}\n`);
for (const { client } of stops) await client[Symbol.asyncDispose]();
