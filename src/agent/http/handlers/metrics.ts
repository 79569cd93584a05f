import type { FastifyInstance } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import type { AgentContext } from '../context.ts';

/** Prometheus's text format. No token: it names no image. */
export function serveMetrics(app: FastifyInstance, { metrics }: AgentContext): void {
  app.get(routes.metrics, { config: { access: 'open' } }, async (_request, reply) => {
    const text = await metrics.text();
    return reply.type(metrics.contentType).send(text);
  });
}
