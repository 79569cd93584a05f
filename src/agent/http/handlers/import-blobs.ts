import type { FastifyInstance, FastifyRequest } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { ImgctlError } from '../../../errors.ts';
import { answerError, answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { digestParameter, offsetParameter, pathParameter, type Query } from '../parameters.ts';
import { pattern } from '../pattern.ts';
import { requestBody } from '../request-body.ts';

/** A blob's bytes, into the store as they come. */
export function serveImportBlobs(app: FastifyInstance, agent: AgentContext): void {
  const { imports, stopping, limits, metrics } = agent;
  app.put(pattern(routes.importBlob(':id', ':digest')), async (request, reply) => {
    const id = pathParameter(request.params, 'id');
    const digest = digestParameter(request.params);
    const offset = offsetParameter(request.query as Query);
    if (request.headers['imgctl-relay'] !== undefined) return answerError(request, reply, cannotRelay(), 501);
    const size = offset + contentLength(request);
    return imports.use(id, (record) =>
      stopping.transfer(async () => {
        const gone = clientGone(reply.raw);
        const result = await record.import.put(
          { digest, offset, size },
          () => requestBody(request.raw, limits),
          gone,
        );
        record.received(result.received);
        metrics.bytesReceived(result.received);
        metrics.blobReceived();
        await answerJson(request, reply, 200, result);
      }),
    );
  });
}

/** The blob's size follows from it, and a body that was cut cannot pass for a whole one. */
function contentLength({ headers }: FastifyRequest): number {
  const length = Number(headers['content-length'] ?? Number.NaN);
  if (Number.isSafeInteger(length) && length >= 0) return length;
  throw new ImgctlError('request_invalid', 'a blob is sent with its Content-Length, not in chunks');
}

function cannotRelay(): ImgctlError {
  return new ImgctlError('request_invalid', 'this agent does not pass blobs on to other nodes', {
    hint: 'Send the blob to each node, or use the same version of imgctl everywhere.',
  });
}
