import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createAgentClient } from '../../src/agent-api/agent-client.ts';
import { digestOf } from '../../src/image/digest.ts';
import { giveBackChunk, lendChunk, shareChunk } from '../../src/streams/chunk-pool.ts';
import { makeTestAuthority } from '../support/agent-certificates.ts';
import { seededBytes } from '../support/blobs.ts';

const MiB = 1024 * 1024;

/** The bytes in lent memory, each piece a share of its own: what is given back too early is overwritten by the next. */
async function* lent(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    const chunk = lendChunk();
    chunk.set(piece);
    const share = shareChunk(chunk, 0, piece.byteLength);
    giveBackChunk(chunk);
    yield share;
  }
}

it.each([
  ['HTTP', 4 * 1024],
  ['HTTP', 48 * 1024],
  ['HTTP', MiB],
  ['HTTPS', 4 * 1024],
  ['HTTPS', 12 * 1024],
  ['HTTPS', MiB],
])('lent chunks are not used again while they wait to be sent (%s, %i bytes)', async (kind, pieceBytes) => {
  await using authority = await makeTestAuthority();
  const { cert, key } = await authority.issue('node');
  const bytes = seededBytes('outgoing', 24 * MiB);
  const arrived = createHash('sha256');
  const listener: RequestListener = async (request, response) => {
    let pauses = 0;
    for await (const chunk of request) {
      arrived.update(chunk);
      // The network's buffers fill up, and the sender has to hold back
      if (pauses++ % 400 === 0) await sleep(30);
    }
    response.end(JSON.stringify({ received: bytes.byteLength, relay: [] }));
  };
  const server = kind === 'HTTP' ? createServer(listener) : createTlsServer({ cert, key }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    await using client = createAgentClient({
      baseUrl: new URL(`${kind.toLowerCase()}://127.0.0.1:${port}`),
      name: 'node',
      trust: { token: 't', ca: authority.pair.cert },
    });
    const digest = digestOf(bytes);
    const blob = { digest, offset: 0, size: bytes.byteLength };

    await client.putInto('import', blob, () => lent(bytes, pieceBytes));

    expect(`sha256:${arrived.digest('hex')}`).toBe(digest);
  } finally {
    server.close();
  }
});
