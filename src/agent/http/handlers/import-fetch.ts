import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type * as z from 'zod';
import { mustBeRoute } from '../../../agent-api/relay.ts';
import { routes } from '../../../agent-api/routes.ts';
import { type FetchResult, fetchRequestSchema } from '../../../agent-api/schemas.ts';
import { ImgctlError } from '../../../errors.ts';
import type { Digest } from '../../../image/digest.ts';
import type { ImportRecord } from '../../import-record.ts';
import type { HostedImport } from '../../imports.ts';
import { pullBlob } from '../../registries/pull-blob.ts';
import { RegistryBody } from '../../registries/registry-body.ts';
import { FedBody } from '../../relay/fed-body.ts';
import { fetchAlong } from '../../relay/fetch-along.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { digestParameter, pathParameter } from '../parameters.ts';
import { pattern } from '../pattern.ts';
import { readJson } from '../read-json.ts';
import { StillWorking } from '../still-working.ts';

/** Often, so that who waits for a registry is not taken for one that hangs: milliseconds. */
const registryAliveMs = 500;

/**
 * A blob from peers that have it, or from a registry, and on to other nodes while it comes where the request says so:
 * answered when it is here, and settled for each of them, which the imports' events tell of meanwhile.
 */
export function serveImportFetch(app: FastifyInstance, agent: AgentContext): void {
  const { imports, stopping, limits, metrics } = agent;
  app.post(pattern(routes.importBlobFetch(':id', ':digest')), async (request, reply) => {
    const id = pathParameter(request.params, 'id');
    const digest = digestParameter(request.params);
    return imports.use(id, (record) =>
      stopping.transfer(async () => {
        const signal = clientGone(reply.raw);
        const asked = await readJson(request.raw, fetchRequestSchema, limits);
        const fetching = { record, digest, signal, response: reply.raw };
        const pull = asked.registry === undefined ? fetchFromPeers : pullFromRegistry;
        const result = await pull(asked, fetching, agent);
        if (result.error === undefined) metrics.blobReceived();
        await answerJson(request, reply, 200, result);
      }),
    );
  });
}

type Asked = z.output<typeof fetchRequestSchema>;

interface Fetching {
  readonly record: ImportRecord;
  readonly digest: Digest;
  readonly signal: AbortSignal;
  readonly response: ServerResponse;
}

async function fetchFromPeers(
  { from, size, offset, relay = [] }: Asked,
  { record, digest, signal, response }: Fetching,
  agent: AgentContext,
): Promise<FetchResult> {
  const { limits, metrics, peers: clients } = agent;
  const { import: hosted, maxRate } = record;
  if (relay.length === 0) return hosted.fetch({ digest, size }, from, signal);
  if (size === undefined || size < offset) throw sizeWanted();
  mustBeRoute(relay);
  using heart = heartOf(hosted, response, limits.aliveMs, agent);
  const blob = { digest, offset, size };
  const onBytes = (bytes: number) => {
    record.receivedFromPeer(bytes);
    metrics.bytesFromPeers(bytes);
  };
  const fed = new FedBody({ blob, from, clients, stallMs: limits.peerStallMs, maxRate, onBytes });
  return await fetchAlong({ hosted, blob, route: relay, signal, heart, maxRate }, fed, agent);
}

async function pullFromRegistry(
  { registry, size, offset, relay: route = [] }: Asked,
  { record, digest, signal, response }: Fetching,
  agent: AgentContext,
): Promise<FetchResult> {
  const { limits, metrics, registries } = agent;
  const { import: hosted, maxRate } = record;
  if (registry === undefined || size === undefined || size < offset) throw sizeWanted();
  mustBeRoute(route);
  const { images, logins } = registry;
  using borrowed = await registries.borrow(hosted.id, logins);
  using heart = heartOf(hosted, response, Math.min(registryAliveMs, limits.aliveMs), agent);
  const blob = { digest, offset, size };
  const onBytes = (bytes: number) => {
    record.receivedFromRegistry(bytes);
    metrics.bytesFromRegistries(bytes);
  };
  const body = new RegistryBody({ blob, images, clients: borrowed.clients, heart, onBytes });
  return await pullBlob({ hosted, blob, route, signal, heart, maxRate }, body, agent);
}

function heartOf(
  hosted: HostedImport,
  response: ServerResponse,
  everyMs: number,
  { pulse }: AgentContext,
): StillWorking {
  return new StillWorking(response, everyMs, () => pulse.busyOf(hosted) !== undefined);
}

function sizeWanted(): ImgctlError {
  return new ImgctlError(
    'request_invalid',
    'what is to be passed on, or comes from a registry, needs its size',
    {
      hint: 'Say it: "size" in bytes, of the whole blob, and no less than "offset".',
    },
  );
}
