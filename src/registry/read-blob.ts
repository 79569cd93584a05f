import { createHash, type Hash } from 'node:crypto';
import { hasCode } from '../errors.ts';
import { type Digest, digestAlgorithm, digestHex } from '../image/digest.ts';
import { notePassed } from '../streams/reclaim.ts';
import { mismatch, tooSlow, wrongSize } from './blob-errors.ts';
import type { EndpointClient } from './endpoint-client.ts';
import { type Opened, openBlob, type RegistryBlob } from './open-blob.ts';
import { Waiting } from './waiting.ts';

/** A body that breaks this often with next to nothing in between is given up. */
const maxFruitless = 4;

/** What comes more slowly than this, while it is waited for, is broken off. */
export interface Pace {
  readonly bytes: number;
  readonly withinMs: number;
}

/** Slower than any line that is meant to carry images. */
const slowest: Pace = { bytes: 16 * 1024, withinMs: 60_000 };

/** What is remembered from one blob to the next. */
export class BlobReads {
  readonly pace: Pace;

  constructor(pace: Pace = slowest) {
    this.pace = pace;
  }

  /** Servers that gave wrong bytes for a blob: they are not asked for it again. */
  readonly spoilt = new Map<Digest, ReadonlySet<string>>();
  readonly waiting = new Waiting();
}

/**
 * A blob's bytes from `offset` on. A body that breaks off is taken up where it did, on any server that has the blob.
 * Read from its start it is verified at its end.
 * @throws ImgctlError `digest_mismatch`, `size_mismatch`, and those of the registry
 */
export async function* readBlob(
  blob: RegistryBlob,
  offset: number,
  reads: BlobReads,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = blob;
  const hash = offset === 0 ? createHash(digestAlgorithm(digest)) : undefined;
  const from = new Set<string>();
  if (size === 0) verify(hash, blob, from, reads);
  const begunAnew = new Set<EndpointClient>();
  let at = offset;
  for (let fruitless = 0; at < size; ) {
    const opened = await reads.waiting.during(
      openBlob(blob, { at, spoilt: reads.spoilt, begunAnew, signal }),
    );
    from.add(opened.client.url.host);
    const begun = at;
    let failure: unknown;
    try {
      for await (const chunk of chunksOf(opened, reads, signal)) {
        at += chunk.byteLength;
        if (at > size) throw wrongSize(opened.client.url.host, blob);
        hash?.update(chunk);
        // Whoever stores it must not get its last bytes where they are wrong
        if (at === size) verify(hash, blob, from, reads);
        yield chunk;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!hasCode(error, 'registry_unreachable')) throw error;
      failure = error;
    }
    const isFruitless = at - begun < reads.pace.bytes;
    if (isFruitless && at < size) opened.repository.leaveAlone(opened.client);
    fruitless = isFruitless ? fruitless + 1 : 0;
    if (at < size && fruitless >= maxFruitless) throw failure ?? wrongSize(opened.client.url.host, blob);
  }
}

async function* chunksOf(
  { answer, client, skip }: Opened,
  { waiting, pace }: BlobReads,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const body = answer.body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let left = skip;
  let [came, waitedMs] = [0, 0];
  const next = async () => {
    const begun = performance.now();
    const chunk = await waiting.during(nextChunk(body, client, signal));
    came += chunk?.byteLength ?? 0;
    waitedMs += performance.now() - begun;
    if (waitedMs < pace.withinMs) return chunk;
    if (chunk !== undefined && came < pace.bytes) throw tooSlow(client.url.host);
    came = waitedMs = 0;
    return chunk;
  };
  try {
    for (let chunk = await next(); chunk !== undefined; chunk = await next()) {
      notePassed(chunk.byteLength);
      const rest = chunk.subarray(Math.min(left, chunk.byteLength));
      left -= chunk.byteLength - rest.byteLength;
      if (rest.byteLength > 0) yield rest;
    }
  } finally {
    answer.body.on('error', () => {}).destroy();
  }
}

async function nextChunk(
  body: AsyncIterator<Uint8Array>,
  client: EndpointClient,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  try {
    const { done, value } = await body.next();
    return done ? undefined : value;
  } catch (error) {
    throw client.broken(error, signal);
  }
}

function verify(hash: Hash | undefined, { digest }: RegistryBlob, from: Set<string>, reads: BlobReads): void {
  if (hash === undefined || hash.digest('hex') === digestHex(digest)) return;
  reads.spoilt.set(digest, new Set([...(reads.spoilt.get(digest) ?? []), ...from]));
  throw mismatch(digest, [...from]);
}
