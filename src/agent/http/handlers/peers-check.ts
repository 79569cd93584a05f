import type { FastifyInstance } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { peersRequestSchema } from '../../../agent-api/schemas.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { readJson } from '../read-json.ts';

/** Whether this node reaches other agents: what `imgctl doctor` asks of each. */
export function servePeersCheck(app: FastifyInstance, agent: AgentContext): void {
  app.post(routes.peersCheck, async (request, reply) => {
    const { urls } = await readJson(request.raw, peersRequestSchema, agent.limits);
    const peers = await agent.checkPeers(urls, clientGone(reply.raw));
    await answerJson(request, reply, 200, { peers });
  });
}
