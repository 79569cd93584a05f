import { ImgctlError } from '../../errors.ts';
import type { ApiServer } from './api-server.ts';
import { getPage, type Page } from './get-page.ts';
import { type ListingPlace, listingError } from './listing-error.ts';
import type { ApiNode } from './node-schema.ts';
import { type ListingPatience, patientAsk } from './patient-ask.ts';

export interface ListingOptions {
  readonly place: ListingPlace;
  readonly selector?: string | undefined;
  readonly patience?: ListingPatience | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** More than Kubernetes can have: what goes on for longer does not end. */
const maxNodes = 50_000;
const maxExpired = 3;

/**
 * All nodes, page by page, each name once.
 * @throws ImgctlError `discovery_failed`, `usage` for a selector that the server does not take; the signal's reason
 */
export async function listNodes(server: ApiServer, options: ListingOptions): Promise<ApiNode[]> {
  const nodes = new Map<string, ApiNode>();
  const fail = (why: string) =>
    listingError(options.place, { why, hint: "Check the kubeconfig's server.", mayPass: false });
  let continueToken: string | undefined;
  for (let expired = 0; ; ) {
    const page = await patientPage(server, continueToken, options);
    if (page.kind === 'expired') {
      expired += 1;
      if (expired > maxExpired) throw fail('its list changes faster than it can be read');
      // With a token the rest is listed as it is now; without one the list begins again
      continueToken = page.continueToken;
      if (continueToken === undefined) nodes.clear();
      continue;
    }
    const before = nodes.size;
    for (const node of page.nodes) nodes.set(node.metadata.name, node);
    if (nodes.size > maxNodes) throw fail(`it lists more than ${maxNodes} nodes`);
    if (page.continueToken === undefined) break;
    // Whatever its tokens say: who brings nothing new goes round in circles
    if (nodes.size === before || page.continueToken === continueToken)
      throw fail('its list of nodes does not end');
    continueToken = page.continueToken;
  }
  return [...nodes.values()];
}

type Got = Exclude<Page, { kind: 'refused' | 'selector-invalid' }>;

async function patientPage(
  server: ApiServer,
  continueToken: string | undefined,
  { place, selector, signal, patience }: ListingOptions,
): Promise<Got> {
  const page = await patientAsk((way) => getPage(server, { continueToken, selector, ...way }), {
    patience,
    signal,
  });
  if (page.kind === 'selector-invalid') throw selectorInvalid(selector ?? '', page.why);
  if (page.kind === 'refused') throw listingError(place, page.refusal);
  return page;
}

function selectorInvalid(selector: string, why: string): ImgctlError {
  return new ImgctlError('usage', `the selector ${JSON.stringify(selector)} is not one: ${why}`, {
    hint: 'For example --selector node-role.kubernetes.io/worker or --selector zone=a,disk!=small.',
  });
}
