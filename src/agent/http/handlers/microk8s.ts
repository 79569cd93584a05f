import type { FastifyInstance } from 'fastify';
import { isTerminal } from '../../../agent-api/events.ts';
import { routes } from '../../../agent-api/routes.ts';
import { toImgctlError } from '../../../errors.ts';
import { receiveArchive } from '../../receive-archive.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { requestBody } from '../request-body.ts';
import { whoIs } from '../who.ts';

/** The MicroK8s cluster agent's own endpoint, so that `microk8s images import` works unchanged. */
export function serveMicrok8s(app: FastifyInstance, agent: AgentContext): void {
  app.post(routes.microk8sImport, { config: { access: 'own' } }, async (request, reply) => {
    const token = request.headers['x-microk8s-callback-token'];
    if (!agent.token.matches(typeof token === 'string' ? token : undefined)) {
      return answerJson(request, reply, 401, { error: 'invalid token' });
    }
    try {
      await agent.stopping.transfer(async () => {
        const signal = AbortSignal.any([clientGone(reply.raw), agent.stopping.goodbye]);
        const caller = { who: whoIs(request), signal };
        const body = requestBody(request.raw, agent.limits);
        for await (const event of receiveArchive(agent, body, {}, caller)) {
          if (isTerminal(event)) throwUnlessReady(event);
        }
      });
    } catch (error) {
      const { message, hint } = toImgctlError(error);
      const text = `failed to import the image: ${message}${hint === undefined ? '' : `. ${hint}`}`;
      return answerJson(request, reply, 500, { error: text });
    }
    return answerJson(request, reply, 200, { status: 'OK' });
  });

  // Its own agent answers so whatever the token
  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE'],
    url: routes.microk8sImport,
    config: { access: 'own' },
    handler: (request, reply) => answerJson(request, reply, 404, { error: 'not found' }),
  });
}

function throwUnlessReady(event: Parameters<typeof isTerminal>[0]): void {
  if (event.type === 'error') throw new Error(event.error.message);
  if (event.type !== 'done') return;
  const failed = event.images.filter(({ state }) => state !== 'ready');
  if (failed.length === 0) return;
  throw new Error(failed.map(({ name, error }) => `${name}: ${error?.message ?? 'not ready'}`).join('; '));
}
