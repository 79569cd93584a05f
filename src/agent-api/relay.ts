import * as z from 'zod';
import { ImgctlError } from '../errors.ts';

/**
 * The rest of a blob's route, as the header of a PUT: the agents that are to get the same bytes after the one that is
 * asked, in order. Each strikes the first hop off and sends the others on. An agent that is the last of a route is sent
 * an empty one: it is asked by another agent, which wants to hear from it while it works.
 */
export const relayHeader = 'imgctl-relay';

/** In a node's features: it can be told to fetch a blob from a peer and to pass it on along a route while it comes. */
export const fetchRelayFeature = 'fetch-relay';

/** A bound that no plan comes near: a chain so long would break too often. */
const maxRelayHops = 64;

/** Of the 16 KiB that an agent takes as the head of a request; the rest has room for path, token and the like. */
const maxRelayBytes = 12 * 1024;

const relayHopSchema = z.object({
  /** What the answer calls it. */
  node: z.string().min(1).max(256),
  /** `http[s]://host:port`, as the hop before it reaches it. */
  url: z.string().min(1).max(300),
  /** The import there that wants the blob. */
  import: z.string().min(1).max(128),
});
export type RelayHop = z.infer<typeof relayHopSchema>;

/** To be checked with `mustBeRoute` too. */
export const routeSchema = z.array(relayHopSchema).max(maxRelayHops);

/** What naming a hop takes of the header, in bytes. */
export function hopBytes(hop: RelayHop): number {
  return textOf([hop]).length - 1;
}

/** ASCII, as a header must be. @throws ImgctlError `request_invalid` when the route is longer than a header can say */
export function formatRelay(route: readonly RelayHop[]): string {
  const text = textOf(route);
  if (route.length > maxRelayHops || text.length > maxRelayBytes)
    throw invalid(`has ${route.length} hops in ${text.length} bytes`);
  return text;
}

function textOf(route: readonly RelayHop[]): string {
  const hops = route.map((hop) => ({ node: hop.node, url: hop.url, import: hop.import }));
  return JSON.stringify(hops).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A route that came otherwise than as the header, but is to go on as one. @throws ImgctlError `request_invalid` */
export function mustBeRoute(route: readonly RelayHop[]): void {
  parseRelay(formatRelay(route));
}

/** @throws ImgctlError `request_invalid` */
export function parseRelay(header: string): readonly RelayHop[] {
  if (header.length > maxRelayBytes) throw invalid(`has ${header.length} bytes`);
  const parsed = routeSchema.safeParse(jsonOf(header));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(
      `is not an array of {node, url, import}: ${issue?.path.join('.') || 'it'}: ${issue?.message}`,
    );
  }
  const twice = parsed.data.find((hop, i) => parsed.data.findIndex((other) => isSame(hop, other)) < i);
  if (twice !== undefined) throw invalid(`passes ${JSON.stringify(twice.node)} twice`);
  return parsed.data;
}

function isSame(one: RelayHop, other: RelayHop): boolean {
  return one.url === other.url && one.import === other.import;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(why: string): ImgctlError {
  return new ImgctlError('request_invalid', `the route in the header ${relayHeader} ${why}`, {
    hint: `A route has at most ${maxRelayHops} hops, and ${maxRelayBytes} bytes.`,
  });
}
