import type { FastifyInstance } from 'fastify';
import { mustBeRoute } from '../../../agent-api/relay.ts';
import { routes } from '../../../agent-api/routes.ts';
import { fetchRequestSchema } from '../../../agent-api/schemas.ts';
import { ImgctlError } from '../../../errors.ts';
import { fetchAlong } from '../../relay/fetch-along.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { digestParameter, pathParameter } from '../parameters.ts';
import { pattern } from '../pattern.ts';
import { readJson } from '../read-json.ts';
import { StillWorking } from '../still-working.ts';

/**
 * A blob from peers that have it, and on to other nodes while it comes where the request says so: answered when it is
 * here, and settled for each of them, which the imports' events tell of meanwhile.
 */
export function serveImportFetch(app: FastifyInstance, agent: AgentContext): void {
  const { imports, stopping, limits, metrics, pulse } = agent;
  app.post(pattern(routes.importBlobFetch(':id', ':digest')), async (request, reply) => {
    const id = pathParameter(request.params, 'id');
    const digest = digestParameter(request.params);
    return imports.use(id, (record) =>
      stopping.transfer(async () => {
        const signal = clientGone(reply.raw);
        const { from, size, offset, relay = [] } = await readJson(request.raw, fetchRequestSchema, limits);
        const hosted = record.import;
        if (relay.length === 0) {
          const result = await hosted.fetch({ digest, size }, from, signal);
          metrics.blobReceived();
          await answerJson(request, reply, 200, result);
          return;
        }
        if (size === undefined || size < offset) throw sizeWanted();
        mustBeRoute(relay);
        using heart = new StillWorking(reply.raw, limits.aliveMs, () => pulse.busyOf(hosted) !== undefined);
        const blob = { digest, offset, size };
        const { maxRate } = record;
        const onBytes = (bytes: number) => {
          record.receivedFromPeer(bytes);
          metrics.bytesFromPeers(bytes);
        };
        const result = await fetchAlong(
          { hosted, blob, from, route: relay, signal, heart, maxRate, onBytes },
          agent,
        );
        if (result.error === undefined) metrics.blobReceived();
        await answerJson(request, reply, 200, result);
      }),
    );
  });
}

function sizeWanted(): ImgctlError {
  return new ImgctlError('request_invalid', 'what is to be passed on needs its size', {
    hint: 'Say it: "size" in bytes, of the whole blob, and no less than "offset".',
  });
}
