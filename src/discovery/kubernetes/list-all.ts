import { setTimeout as sleep } from 'node:timers/promises';
import { ImgctlError } from '../../errors.ts';
import type { ApiServer } from './api-server.ts';
import { getPage, type Page, type PageRequest } from './get-page.ts';
import { type ListingPlace, listingError, type Refusal } from './listing-error.ts';
import type { Resource } from './resources.ts';

/** How long a listing is tried, in milliseconds. */
export interface ListingPatience {
  /** For an answer to begin, and between its bytes. */
  readonly attemptMs: number;
  /** For a page, with all that is tried again. */
  readonly pageMs: number;
  /** Before the first retry; it doubles. */
  readonly firstDelayMs: number;
}

const patience: ListingPatience = { attemptMs: 15_000, pageMs: 30_000, firstDelayMs: 500 };

export interface ListingOptions {
  readonly place: ListingPlace;
  readonly selector?: string | undefined;
  readonly patience?: ListingPatience | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A page is tried so often. */
const maxAttempts = 5;
const maxExpired = 3;

/**
 * All of a kind, page by page, each once.
 * @throws ImgctlError `discovery_failed`, `usage` for a selector that the server does not take; the signal's reason
 */
export async function listAll<T>(
  server: ApiServer,
  resource: Resource<T>,
  options: ListingOptions,
): Promise<T[]> {
  const items = new Map<string, T>();
  const fail = (why: string) =>
    listingError(options.place, resource.name, {
      why,
      hint: "Check the kubeconfig's server.",
      mayPass: false,
    });
  let continueToken: string | undefined;
  for (let expired = 0; ; ) {
    const page = await patientPage(server, { resource, continueToken }, options);
    if (page.kind === 'expired') {
      expired += 1;
      if (expired > maxExpired) throw fail('its list changes faster than it can be read');
      // With a token the rest is listed as it is now; without one the list begins again
      continueToken = page.continueToken;
      if (continueToken === undefined) items.clear();
      continue;
    }
    const before = items.size;
    for (const item of page.items) items.set(resource.keyOf(item), item);
    if (items.size > resource.most) throw fail(`it lists more than ${resource.most} ${resource.name}`);
    if (page.continueToken === undefined) break;
    // Whatever its tokens say: who brings nothing new goes round in circles
    if (items.size === before || page.continueToken === continueToken)
      throw fail(`its list of ${resource.name} does not end`);
    continueToken = page.continueToken;
  }
  return [...items.values()];
}

type Got<T> = Exclude<Page<T>, { kind: 'refused' | 'selector-invalid' }>;

async function patientPage<T>(
  server: ApiServer,
  wanted: Pick<PageRequest<T>, 'resource' | 'continueToken'>,
  { place, selector, signal, patience: { attemptMs, pageMs, firstDelayMs } = patience }: ListingOptions,
): Promise<Got<T>> {
  signal?.throwIfAborted();
  const timeUp = AbortSignal.timeout(pageMs);
  const ends = Date.now() + pageMs;
  const limit = signal === undefined ? timeUp : AbortSignal.any([signal, timeUp]);
  const request: PageRequest<T> = { ...wanted, selector, attemptMs, signal: limit };
  let last: Refusal = {
    why: `it does not answer within ${Math.ceil(pageMs / 1000)} s`,
    hint: 'It may pass: try again.',
    mayPass: true,
  };
  try {
    for (let attempt = 1; ; attempt += 1) {
      const page = await getPage(server, request);
      if (page.kind === 'selector-invalid') throw selectorInvalid(selector ?? '', page.why);
      if (page.kind !== 'refused') return page;
      last = page.refusal;
      const delay = (last.retryAfter ?? 0) * 1000 || jittered(firstDelayMs * 2 ** (attempt - 1));
      if (!last.mayPass || attempt === maxAttempts || Date.now() + delay > ends) break;
      await sleep(delay, undefined, { signal: limit });
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!timeUp.aborted) throw error;
  }
  throw listingError(place, wanted.resource.name, last);
}

function selectorInvalid(selector: string, why: string): ImgctlError {
  return new ImgctlError('usage', `the selector ${JSON.stringify(selector)} is not one: ${why}`, {
    hint: 'For example --selector node-role.kubernetes.io/worker or --selector zone=a,disk!=small.',
  });
}

function jittered(delayMs: number): number {
  return delayMs / 2 + (delayMs / 2) * Math.random();
}
