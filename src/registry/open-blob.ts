import { hasCode, ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { mismatch, wrongSize } from './blob-errors.ts';
import type { EndpointClient, Patience } from './endpoint-client.ts';
import { protocolError } from './registry-errors.ts';
import type { Repository } from './repository.ts';
import type { Answer } from './transport.ts';

export interface RegistryBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Repositories that have it. */
  readonly in: readonly Repository[];
}

export interface Opened {
  readonly answer: Answer;
  readonly client: EndpointClient;
  readonly repository: Repository;
  /** Bytes before those that were asked for: of a server that knows no ranges. */
  readonly skip: number;
}

interface Opening {
  readonly at: number;
  /** Servers that gave wrong bytes for a blob. */
  readonly spoilt: ReadonlyMap<Digest, ReadonlySet<string>>;
  /** Servers that were asked for all of the blob once, since they would not go on with it. */
  readonly begunAnew: Set<EndpointClient>;
  readonly signal: AbortSignal | undefined;
}

/**
 * What gives a blob's bytes from `at` on. Who will not go on with it from there is asked for all of it, once, where
 * nobody else has it.
 * @throws ImgctlError `digest_mismatch`, `size_mismatch`, and those of the registry
 */
export async function openBlob(blob: RegistryBlob, opening: Opening): Promise<Opened> {
  const failed = new Map<EndpointClient, unknown>();
  const opened = await openAnywhere(blob, opening, async (client, patience) => {
    try {
      return await openAt(client, blob, { ...opening, patience, from: opening.at });
    } catch (error) {
      failed.set(client, error);
      throw error;
    }
  }).catch((error: unknown) => ({ error }));
  if (!('error' in opened)) return opened;
  const { begunAnew, signal } = opening;
  signal?.throwIfAborted();
  // All of it can be had still from who does not know the part, whatever went wrong there
  const left = [...failed].filter(([client, error]) => isNoRange(error) && !begunAnew.has(client));
  const anew = new Set(left.map(([client]) => client));
  if (opening.at === 0 || anew.size === 0) throw opened.error;
  return openAnywhere(blob, opening, async (client, patience) => {
    if (!anew.has(client)) throw failed.get(client) ?? opened.error;
    begunAnew.add(client);
    return openAt(client, blob, { ...opening, patience, from: 0 });
  });
}

/** From the first repository and server that gives it. */
async function openAnywhere(
  { digest, in: repositories }: RegistryBlob,
  { spoilt, signal }: Opening,
  ask: (client: EndpointClient, patience: Patience) => Promise<Pick<Opened, 'answer' | 'skip'>>,
): Promise<Opened> {
  let failure: unknown;
  for (const repository of repositories) {
    try {
      return await repository.fromAny('pull', signal, async (client, patience) => {
        if (spoilt.get(digest)?.has(client.url.host)) throw mismatch(digest, [client.url.host]);
        return { ...(await ask(client, patience)), client, repository };
      });
    } catch (error) {
      signal?.throwIfAborted();
      failure = error;
    }
  }
  throw failure ?? new ImgctlError('blob_unknown', `no registry is known to have ${digest}`);
}

function isNoRange(error: unknown): boolean {
  return hasCode(error, 'registry_failed') && error.context.status === 416;
}

/** The blob's bytes from `at` on, asked for from `from` on. */
async function openAt(
  client: EndpointClient,
  blob: RegistryBlob,
  {
    at,
    from,
    patience,
    signal,
  }: { at: number; from: number; patience: Patience; signal: AbortSignal | undefined },
): Promise<Pick<Opened, 'answer' | 'skip'>> {
  const { digest, size } = blob;
  const headers: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-` };
  const what = `${client.endpoint.repository}@${digest}`;
  const answer = await client.get({ path: `blobs/${digest}`, what, headers, patience, signal });
  const { 'content-range': range, 'content-length': length } = answer.headers;
  const whole = answer.statusCode === 200;
  const starts = whole
    ? 0
    : Number(/^bytes (\d{1,16})-\d{1,16}\/(?:\d{1,16}|\*)$/.exec(String(range))?.[1] ?? Number.NaN);
  const expected = whole ? size : size - from;
  if (starts === (whole ? 0 : from) && (length === undefined || Number(length) === expected))
    return { answer, skip: at - starts };
  answer.body.on('error', () => {}).destroy();
  throw whole
    ? wrongSize(client.url.host, blob)
    : protocolError(client.url.host, `it gave other bytes of ${what} than those asked for`);
}
