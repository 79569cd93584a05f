import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parseRelay, type RelayHop, relayHeader } from '../../../agent-api/relay.ts';
import { routes } from '../../../agent-api/routes.ts';
import type { PutResult } from '../../../agent-api/schemas.ts';
import { relayBlob } from '../../relay/relay-blob.ts';
import { codingOf } from '../../relay/wire-body.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { digestParameter, offsetParameter, pathParameter, type Query } from '../parameters.ts';
import { pattern } from '../pattern.ts';
import { requestBody } from '../request-body.ts';
import { sentBytes } from '../sent-bytes.ts';
import { StillWorking } from '../still-working.ts';

/** A blob's bytes, into the store as they come, and on to the next node where the request says so. */
export function serveImportBlobs(app: FastifyInstance, agent: AgentContext): void {
  const { imports, stopping, limits, metrics, pulse } = agent;
  app.put(pattern(routes.importBlob(':id', ':digest')), async (request, reply) => {
    const id = pathParameter(request.params, 'id');
    const digest = digestParameter(request.params);
    const offset = offsetParameter(request.query as Query);
    const route = routeOf(request);
    const { encoding, length } = sentBytes(request);
    const blob = { digest, offset, size: offset + length };
    const coding = codingOf(encoding);
    const pieces = () => coding.pieces(requestBody(request.raw, limits), length);
    const body = () => coding.decode(pieces());
    return imports.use(id, (record) =>
      stopping.transfer(async () => {
        const hosted = record.import;
        const signal = clientGone(reply.raw);
        let result: PutResult;
        if (route === undefined) {
          result = await hosted.put(blob, body, signal);
        } else {
          using heart = new StillWorking(reply.raw, limits.aliveMs, () => pulse.busyOf(hosted) !== undefined);
          result =
            route.length === 0
              ? await hosted.put(blob, () => heart.signedBy(body()), signal)
              : await relayBlob(
                  { hosted, blob, route, coding, body: pieces, signal, heart, maxRate: record.maxRate },
                  agent,
                );
        }
        record.received(result.received);
        metrics.bytesReceived(result.received);
        if (result.error === undefined) metrics.blobReceived();
        await answerJson(request, reply, 200, result);
      }),
    );
  });
}

/** The hops behind this node; undefined where it is not part of a route. @throws ImgctlError `request_invalid` */
function routeOf({ headers }: FastifyRequest): readonly RelayHop[] | undefined {
  const header = headers[relayHeader];
  return header === undefined ? undefined : parseRelay(String(header));
}
