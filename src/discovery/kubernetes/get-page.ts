import { request } from 'undici';
import { z } from 'zod';
import { orAborted } from '../../streams/or-aborted.ts';
import type { ApiServer } from './api-server.ts';
import { failedConnection, type Refusal, refusedWith } from './listing-error.ts';
import type { Resource } from './resources.ts';

/** One request of a listing, such as GET /api/v1/nodes, as the API reference has it. */

export interface PageRequest<T> {
  readonly resource: Resource<T>;
  /** From the page before. */
  readonly continueToken?: string | undefined;
  readonly selector?: string | undefined;
  readonly attemptMs: number;
  readonly signal: AbortSignal;
}

export type Page<T> =
  | { readonly kind: 'page'; readonly items: readonly T[]; readonly continueToken?: string | undefined }
  /** The continue token is too old. Whoever can do with an inconsistent list goes on with the one that comes instead. */
  | { readonly kind: 'expired'; readonly continueToken?: string | undefined }
  | { readonly kind: 'selector-invalid'; readonly why: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Nodes in a page: a node with its labels and its list of images takes some 10 to 30 KiB. */
const pageLimit = 500;
/** Servers that know no pages answer with everything at once. */
const maxPageBytes = 64 * 1024 * 1024;
const maxRefusalBytes = 64 * 1024;

const statusSchema = z.object({
  message: z.string().optional(),
  reason: z.string().optional(),
  metadata: z.object({ continue: z.string().optional() }).optional(),
});

/** @throws what the signal is aborted with */
export async function getPage<T>(server: ApiServer, page: PageRequest<T>): Promise<Page<T>> {
  try {
    return await ask(server, page);
  } catch (error) {
    page.signal.throwIfAborted();
    return { kind: 'refused', refusal: failedConnection(error) };
  }
}

async function ask<T>(
  server: ApiServer,
  { resource, continueToken, selector, attemptMs, signal }: PageRequest<T>,
): Promise<Page<T>> {
  const url = new URL(`${server.url.href.replace(/\/$/, '')}/api/v1/${resource.name}`);
  url.searchParams.set('limit', String(pageLimit));
  if (selector !== undefined) url.searchParams.set('labelSelector', selector);
  if (continueToken !== undefined) url.searchParams.set('continue', continueToken);
  const asked = request(url, {
    dispatcher: server.dispatcher,
    headers: { ...server.headers, accept: 'application/json', 'user-agent': 'imgctl' },
    headersTimeout: attemptMs,
    bodyTimeout: attemptMs,
    signal,
  });
  // undici hears of an abort only once a connection stands
  const answer = await orAborted(asked, signal);
  if (answer.statusCode === 200) {
    const bytes = await readBounded(answer.body, maxPageBytes);
    if (bytes === undefined) return notKubernetes('it answered with more than 64 MiB in one page');
    const list = resource.schema.safeParse(parseJson(bytes));
    if (!list.success) return notKubernetes(`its answer is not a list of ${resource.name}`);
    return {
      kind: 'page',
      items: list.data.items ?? [],
      continueToken: list.data.metadata?.continue || undefined,
    };
  }
  const status = statusSchema.safeParse(parseJson(await readBounded(answer.body, maxRefusalBytes))).data;
  const said = withoutCredentials(status?.message, server);
  if (answer.statusCode === 410 && continueToken !== undefined)
    return { kind: 'expired', continueToken: status?.metadata?.continue || undefined };
  if (answer.statusCode === 400 && selector !== undefined)
    return { kind: 'selector-invalid', why: said ?? 'the server does not take it' };
  const retryAfter = Number(answer.headers['retry-after'] ?? Number.NaN);
  return {
    kind: 'refused',
    refusal: refusedWith(answer.statusCode, {
      said,
      what: resource.name,
      retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
    }),
  };
}

function notKubernetes(why: string): Page<never> {
  const hint = "Check the kubeconfig's server, and what proxy may be in between.";
  return { kind: 'refused', refusal: { why, hint, mayPass: false } };
}

/** Undefined, and no more read, where it is longer. */
async function readBounded(
  body: AsyncIterable<Uint8Array> & { destroy(): unknown },
  maxBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    // Leaving the loop destroys the stream
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

/** A server, or what stands before it, may send back what it was told. */
function withoutCredentials(text: string | undefined, { headers }: ApiServer): string | undefined {
  const secret = headers.authorization?.split(' ')[1];
  return secret ? text?.replaceAll(secret, '[credentials]') : text;
}
