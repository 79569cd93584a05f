import { createHash, type Hash } from 'node:crypto';
import { hasCode, ImgctlError } from '../errors.ts';
import { type Digest, digestAlgorithm, digestHex } from '../image/digest.ts';
import { notePassed } from '../streams/reclaim.ts';
import type { EndpointClient, Patience } from './endpoint-client.ts';
import { protocolError } from './registry-errors.ts';
import type { Repository } from './repository.ts';
import type { Answer } from './transport.ts';
import { Waiting } from './waiting.ts';

export interface RegistryBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Repositories that have it. */
  readonly in: readonly Repository[];
}

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
  let at = offset;
  for (let fruitless = 0; at < size; ) {
    const opened = await reads.waiting.during(open(blob, at, reads, signal));
    from.add(opened.client.url.host);
    const begun = at;
    let failure: unknown;
    try {
      for await (const chunk of chunksOf(opened, reads, signal)) {
        at += chunk.byteLength;
        if (at > size) throw wrongSize(opened.client, blob);
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
    if (at < size && fruitless >= maxFruitless) throw failure ?? wrongSize(opened.client, blob);
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

interface Opened {
  readonly answer: Answer;
  readonly client: EndpointClient;
  readonly repository: Repository;
  /** Bytes before those that were asked for: of a server that knows no ranges. */
  readonly skip: number;
}

async function open(
  blob: RegistryBlob,
  at: number,
  reads: BlobReads,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  let failure: unknown;
  for (const repository of blob.in) {
    try {
      return await repository.fromAny('pull', signal, async (client, patience) => {
        if (reads.spoilt.get(blob.digest)?.has(client.url.host))
          throw mismatch(blob.digest, [client.url.host]);
        return { ...(await openAt(client, blob, { at, patience, signal })), client, repository };
      });
    } catch (error) {
      signal?.throwIfAborted();
      failure = error;
    }
  }
  throw failure ?? new ImgctlError('blob_unknown', `no registry is known to have ${blob.digest}`);
}

async function openAt(
  client: EndpointClient,
  blob: RegistryBlob,
  { at, patience, signal }: { at: number; patience: Patience; signal: AbortSignal | undefined },
): Promise<Pick<Opened, 'answer' | 'skip'>> {
  const { digest, size } = blob;
  const headers: Record<string, string> = at === 0 ? {} : { range: `bytes=${at}-` };
  const what = `${client.endpoint.repository}@${digest}`;
  const answer = await client.get({ path: `blobs/${digest}`, what, headers, patience, signal });
  const { 'content-range': range, 'content-length': length } = answer.headers;
  const whole = answer.statusCode === 200;
  const starts = whole
    ? 0
    : Number(/^bytes (\d{1,16})-\d{1,16}\/(?:\d{1,16}|\*)$/.exec(String(range))?.[1] ?? Number.NaN);
  const expected = whole ? size : size - at;
  if (starts === (whole ? 0 : at) && (length === undefined || Number(length) === expected))
    return { answer, skip: whole ? at : 0 };
  answer.body.on('error', () => {}).destroy();
  throw whole
    ? wrongSize(client, blob)
    : protocolError(client.url.host, `it gave other bytes of ${what} than those asked for`);
}

function tooSlow(host: string): ImgctlError {
  return new ImgctlError('registry_unreachable', `${host} gives next to nothing of what it was asked for`, {
    hint: 'It may pass: try again.',
    context: { registry: host, phase: 'pull' },
  });
}

function verify(hash: Hash | undefined, { digest }: RegistryBlob, from: Set<string>, reads: BlobReads): void {
  if (hash === undefined || hash.digest('hex') === digestHex(digest)) return;
  reads.spoilt.set(digest, new Set([...(reads.spoilt.get(digest) ?? []), ...from]));
  throw mismatch(digest, [...from]);
}

function mismatch(digest: Digest, hosts: readonly string[]): ImgctlError {
  return new ImgctlError(
    'digest_mismatch',
    `what ${hosts.join(' and ')} gave as ${digest} does not have that digest`,
    {
      hint: 'The registry, or a proxy in between, is damaged or not to be trusted.',
      context: { digest, registry: hosts.join(', '), phase: 'pull' },
    },
  );
}

function wrongSize(client: EndpointClient, { digest, size }: RegistryBlob): ImgctlError {
  return new ImgctlError('size_mismatch', `${client.url.host} does not give the ${size} bytes of ${digest}`, {
    hint: 'The registry, or a proxy in between, is damaged: push the image again.',
    context: { digest, registry: client.url.host, phase: 'pull' },
  });
}
