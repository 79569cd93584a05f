import { ImgctlError } from '../../errors.ts';
import type { ApiServer } from './api-server.ts';
import { getPage, type Page, type PageRequest } from './get-page.ts';
import { type ListingPlace, listingError } from './listing-error.ts';
import { type ListingPatience, patientAsk } from './patient-ask.ts';
import type { Resource } from './resources.ts';

export interface ListingOptions {
  readonly place: ListingPlace;
  readonly selector?: string | undefined;
  readonly patience?: ListingPatience | undefined;
  readonly signal?: AbortSignal | undefined;
}

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
  { place, selector, signal, patience }: ListingOptions,
): Promise<Got<T>> {
  const ask = (way: Pick<PageRequest<T>, 'attemptMs' | 'signal'>) =>
    getPage(server, { ...wanted, selector, ...way });
  const page = await patientAsk<Page<T>>(ask, { patience, signal });
  if (page.kind === 'selector-invalid') throw selectorInvalid(selector ?? '', page.why);
  if (page.kind === 'refused') throw listingError(place, wanted.resource.name, page.refusal);
  return page;
}

function selectorInvalid(selector: string, why: string): ImgctlError {
  return new ImgctlError('usage', `the selector ${JSON.stringify(selector)} is not one: ${why}`, {
    hint: 'For example --selector node-role.kubernetes.io/worker or --selector zone=a,disk!=small.',
  });
}
