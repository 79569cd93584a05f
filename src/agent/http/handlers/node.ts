import type { FastifyInstance } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';

export function serveNode(app: FastifyInstance, agent: AgentContext): void {
  app.get(routes.node, async (request, reply) => {
    await answerJson(request, reply, 200, await agent.describe(clientGone(reply.raw)));
  });
}
