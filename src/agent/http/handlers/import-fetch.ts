import type { FastifyInstance } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { fetchRequestSchema } from '../../../agent-api/schemas.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { digestParameter, pathParameter } from '../parameters.ts';
import { pattern } from '../pattern.ts';
import { readJson } from '../read-json.ts';

/** A blob from peers that have it: answered when it is here, which the import's events tell of meanwhile. */
export function serveImportFetch(app: FastifyInstance, agent: AgentContext): void {
  const { imports, stopping, limits, metrics } = agent;
  app.post(pattern(routes.importBlobFetch(':id', ':digest')), async (request, reply) => {
    const id = pathParameter(request.params, 'id');
    const digest = digestParameter(request.params);
    return imports.use(id, (record) =>
      stopping.transfer(async () => {
        const gone = clientGone(reply.raw);
        const { from, size } = await readJson(request.raw, fetchRequestSchema, limits);
        const result = await record.import.fetch({ digest, size }, from, gone);
        metrics.blobReceived();
        await answerJson(request, reply, 200, result);
      }),
    );
  });
}
