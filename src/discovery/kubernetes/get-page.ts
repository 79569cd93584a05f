import { type ApiAnswer, apiGet } from './api-get.ts';
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

/** @throws what the signal is aborted with */
export async function getPage<T>(server: ApiServer, page: PageRequest<T>): Promise<Page<T>> {
  try {
    return await ask(server, page);
  } catch (error) {
    page.signal.throwIfAborted();
    return { kind: 'refused', refusal: failedConnection(error) };
  }
}

async function ask<T>(server: ApiServer, page: PageRequest<T>): Promise<Page<T>> {
  const { resource, continueToken, selector, attemptMs, signal } = page;
  const query = {
    limit: String(pageLimit),
    ...(selector === undefined ? {} : { labelSelector: selector }),
    ...(continueToken === undefined ? {} : { continue: continueToken }),
  };
  const asked = { path: `/api/v1/${resource.name}`, query, maxBytes: maxPageBytes, attemptMs, signal };
  return pageOf(await apiGet(server, asked), page);
}

function pageOf<T>(answer: ApiAnswer, { resource, continueToken, selector }: PageRequest<T>): Page<T> {
  if (answer.status === 200) {
    if (answer.tooLong) return notKubernetes('it answered with more than 64 MiB in one page');
    const list = resource.schema.safeParse(answer.json);
    if (!list.success) return notKubernetes(`its answer is not a list of ${resource.name}`);
    return {
      kind: 'page',
      items: list.data.items ?? [],
      continueToken: list.data.metadata?.continue || undefined,
    };
  }
  if (answer.status === 410 && continueToken !== undefined)
    return { kind: 'expired', continueToken: answer.continueToken };
  if (answer.status === 400 && selector !== undefined)
    return { kind: 'selector-invalid', why: answer.said ?? 'the server does not take it' };
  const { status, said, retryAfter } = answer;
  return { kind: 'refused', refusal: refusedWith(status, { said, what: resource.name, retryAfter }) };
}

function notKubernetes(why: string): Page<never> {
  const hint = "Check the kubeconfig's server, and what proxy may be in between.";
  return { kind: 'refused', refusal: { why, hint, mayPass: false } };
}
