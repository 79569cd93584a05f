import type { DistributeEvent, NodeOutcome, NodePreview } from '../distribute/outcome.ts';
import type { ImgctlError } from '../errors.ts';
import type {
  ArchiveSummary,
  CheckResult,
  DeployResult,
  DirectoryListing,
  ImportResult,
  ListedNode,
  NodeListing,
  RemoveResult,
} from './reporter.ts';

/**
 * The JSON forms of what is reported, for json and ndjson alike. A field that is documented never changes its meaning;
 * new ones may come.
 */

function errorValue({ code, message, hint, context }: ImgctlError) {
  const known = Object.fromEntries(Object.entries(context).filter(([, value]) => value !== undefined));
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(Object.keys(known).length === 0 ? {} : { context: known }),
  };
}

function outcomeValue(outcome: NodeOutcome) {
  return {
    node: outcome.node,
    address: outcome.address,
    status: outcome.status,
    images: outcome.images.map(imageValue),
    bytesSent: outcome.bytesSent,
    bytesFromPeers: outcome.bytesFromPeers,
    ...(outcome.bytesFromRegistries === undefined
      ? {}
      : { bytesFromRegistries: outcome.bytesFromRegistries }),
    bytesSkipped: outcome.bytesSkipped,
    ...(outcome.bytesUnneeded === undefined ? {} : { bytesUnneeded: outcome.bytesUnneeded }),
    durationMs: Math.round(outcome.durationMs),
    warnings: outcome.warnings,
    ...errorField(outcome.error),
  };
}

export function resultValue(
  { ok, archive, nodes, advice, error, durationMs }: ImportResult,
  warnings: string[],
) {
  return {
    ok,
    ...archiveField(archive),
    nodes: nodes.map(outcomeValue),
    durationMs: Math.round(durationMs),
    warnings: [...warnings, ...advice],
    ...errorField(error),
  };
}

export function previewValue(archive: ArchiveSummary | undefined, previews: readonly NodePreview[]) {
  return {
    ok: previews.every(({ error }) => error === undefined),
    dryRun: true,
    ...archiveField(archive),
    nodes: previews.map(({ node, address, images, blobs, bytes, bytesSkipped, error }) => ({
      node,
      address,
      images: images.map(imageValue),
      blobs,
      bytes,
      bytesSkipped,
      ...errorField(error),
    })),
  };
}

export function listingValue(listing: readonly NodeListing[]) {
  return {
    ok: listing.every(({ error }) => error === undefined),
    nodes: listing.map(({ node, address, images, error }) => ({
      node,
      address,
      images,
      ...errorField(error),
    })),
  };
}

export function directoriesValue(listing: readonly DirectoryListing[]) {
  return {
    ok: listing.every(({ error }) => error === undefined),
    nodes: listing.map(({ node, address, status, error }) => ({
      node,
      address,
      ...(status === undefined
        ? {}
        : {
            directory: status.directory ?? null,
            seesWriters: status.seesWriters,
            files: status.files,
            directoryError: status.error,
          }),
      ...errorField(error),
    })),
  };
}

export function nodesValue(nodes: readonly ListedNode[]) {
  return {
    ok: nodes.every(({ error }) => error === undefined),
    nodes: nodes.map(({ error, ...facts }) => ({ ...facts, ...errorField(error) })),
  };
}

export function removedValue(results: readonly RemoveResult[], unknown: readonly ImgctlError[] = []) {
  const nodes = Map.groupBy(results, ({ node }) => node);
  return {
    ok: unknown.length === 0 && results.every(({ error }) => error === undefined),
    nodes: [...nodes].map(([node, of]) => ({
      node,
      address: of[0]?.address ?? '',
      images: of.map(({ image, removed, error }) => ({ name: image, removed, ...errorField(error) })),
    })),
    ...errorField(unknown[0]),
  };
}

export function deployedValue(results: readonly DeployResult[]) {
  return {
    ok: results.every(({ error }) => error === undefined),
    hosts: results.map(({ host, address, summary, error }) => ({
      host,
      address,
      ...(summary === undefined ? {} : { summary }),
      ...errorField(error),
    })),
  };
}

export function checksValue(checks: readonly CheckResult[]) {
  return { ok: checks.every(({ status }) => status !== 'fail'), checks };
}

export function failureValue(error: ImgctlError, warnings: string[]) {
  return { ok: false, error: errorValue(error), nodes: [], warnings };
}

export function eventValue(event: DistributeEvent) {
  if (event.type === 'outcome') return { type: event.type, ...outcomeValue(event.outcome) };
  if (event.type === 'checked')
    return {
      ...event,
      nodes: event.nodes.map(({ error, ...check }) => ({ ...check, ...errorField(error) })),
    };
  if (event.type === 'retry') return { ...event, error: errorValue(event.error) };
  return event;
}

export function archiveField(archive: ArchiveSummary | undefined) {
  if (archive === undefined) return {};
  const { images, blobs, bytes } = archive;
  return { archive: { images, blobs, bytes } };
}

/** JSON escapes the C0 control characters; those beyond, which some terminals obey, are escaped here. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function imageValue({ name, digest, state, unchanged, error }: NodeOutcome['images'][number]) {
  return {
    name,
    digest,
    state,
    ...(unchanged === undefined ? {} : { unchanged }),
    ...(error === undefined ? {} : { error }),
  };
}

function errorField(error: ImgctlError | undefined) {
  return error === undefined ? {} : { error: errorValue(error) };
}
