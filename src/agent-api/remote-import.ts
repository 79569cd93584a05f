import * as z from 'zod';
import { hasCode } from '../errors.ts';
import type { AgentHttp } from './agent-http.ts';
import type { ImportEvent } from './events.ts';
import type { BlobToSend, ImportHandle, PutOptions } from './import-node.ts';
import { readEvents } from './read-events.ts';
import { formatRelay, relayHeader } from './relay.ts';
import { maxJsonBytes, routes } from './routes.ts';
import {
  type Declaration,
  fetchResultSchema,
  type ImportState,
  importStateSchema,
  type More,
  type PutResult,
  putResultSchema,
} from './schemas.ts';
import { documentsBytes, splitDeclaration } from './split-declaration.ts';
import { lengthHeader } from './wire-encoding.ts';

/** An import on an agent across the network. Declarations that are too large for one request go in several. */

export async function openRemoteImport(
  http: AgentHttp,
  declaration: Declaration,
  signal?: AbortSignal,
): Promise<ImportHandle> {
  const { first, rest } = splitDeclaration(declaration);
  const begun = await http.json('POST', routes.imports, { schema: importStateSchema, body: first, signal });
  try {
    const opened = await declareAll(http, begun, rest, signal);
    return remoteImport(http, opened);
  } catch (error) {
    // Without its handle nobody could leave it later
    await leaveThere(http, begun.id, false).catch(() => {});
    throw error;
  }
}

/** A preview begins nothing, so it is one request: documents beyond its bounds are left out, and called missing. */
export function previewRemoteImport(
  http: AgentHttp,
  declaration: Declaration,
  signal?: AbortSignal,
): Promise<ImportState> {
  const fits = documentsBytes(declaration) < maxJsonBytes / 2;
  const whole = fits ? declaration : splitDeclaration(declaration).first;
  const body = { ...whole, images: declaration.images, dryRun: true };
  return http.json('POST', routes.imports, { schema: importStateSchema, body, signal });
}

function remoteImport(http: AgentHttp, opened: ImportState): ImportHandle {
  const { id } = opened;
  return {
    id,
    opened,
    state: (signal) => http.json('GET', routes.import(id), { schema: importStateSchema, signal }),
    declare: async (more, signal) => {
      const { first, rest } = splitDeclaration(more);
      return declareAll(http, opened, [first, ...rest], signal);
    },
    put: (blob, body, signal, options) => putThere(http, id, { ...options, blob, body, signal }),
    fetch: ({ digest, size }, from, signal, along) =>
      http.json('POST', routes.importBlobFetch(id, digest), {
        schema: fetchResultSchema,
        body: { from, ...(size === undefined ? {} : { size }), ...along },
        signal,
      }),
    pull: ({ digest, size, offset }, registry, signal, { relay, onAlive }) =>
      http.json('POST', routes.importBlobFetch(id, digest), {
        schema: fetchResultSchema,
        body: { registry, size, offset, relay },
        signal,
        onAlive,
      }),
    events: (signal) => eventsOf(http, id, signal),
    leave: (options) => leaveThere(http, id, options?.discard === true),
  };
}

interface Putting extends PutOptions {
  readonly blob: BlobToSend;
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

/** Sends a blob to an import that somebody opened on the agent. */
export async function putThere(
  http: AgentHttp,
  id: string,
  { blob: { digest, offset, size }, body, signal, encoding, relay, onAlive, onEnough, flow }: Putting,
): Promise<PutResult> {
  const content = size - offset;
  const headers: Record<string, string> = {
    ...(relay !== undefined && { [relayHeader]: formatRelay(relay) }),
    ...(encoding !== undefined && { 'content-encoding': encoding, [lengthHeader]: String(content) }),
  };
  // How long it gets is seen when it is compressed, and not before
  const length = encoding === undefined ? content : undefined;
  return http.upload(
    `${routes.importBlob(id, digest)}?offset=${offset}`,
    { length, body, signal, headers, onAlive, onEnough, flow },
    putResultSchema,
  );
}

async function declareAll(
  http: AgentHttp,
  begun: ImportState,
  parts: readonly More[],
  signal: AbortSignal | undefined,
): Promise<ImportState> {
  let state = begun;
  for (const body of parts) {
    state = await http.json('PATCH', routes.import(begun.id), { schema: importStateSchema, body, signal });
  }
  return state;
}

function eventsOf(http: AgentHttp, id: string, signal?: AbortSignal): AsyncIterable<ImportEvent> {
  const headers = { accept: 'application/x-ndjson' };
  return readEvents(http.stream(routes.importEvents(id), { headers, signal }), (message) =>
    http.protocolError(message),
  );
}

async function leaveThere(http: AgentHttp, id: string, discard: boolean): Promise<void> {
  // Leaving happens on the way out, often after a failure: it must not take long
  const signal = AbortSignal.timeout(10_000);
  const path = `${routes.import(id)}${discard ? '?discard=1' : ''}`;
  try {
    await http.json('DELETE', path, { schema: z.object({}), signal });
  } catch (error) {
    if (!hasCode(error, 'import_gone')) throw error;
  }
}
