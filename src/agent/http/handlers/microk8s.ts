import type { FastifyInstance } from 'fastify';
import { isTerminal } from '../../../agent-api/events.ts';
import { routes } from '../../../agent-api/routes.ts';
import { toImgctlError } from '../../../errors.ts';
import { receiveArchive } from '../../receive-archive.ts';
import { answerJson, retryAfter } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { requestBody } from '../request-body.ts';
import { whoIs } from '../who.ts';

/** Go's server guesses the type of what it is not told, and takes short JSON for this. */
const asGoSays = { 'content-type': 'text/plain; charset=utf-8' };

/**
 * The MicroK8s cluster agent's own endpoint, so that `microk8s images import` works unchanged: the same statuses, and
 * the same JSON to the letter, with the reason in place of `ctr`'s exit status.
 */
export function serveMicrok8s(app: FastifyInstance, agent: AgentContext): void {
  app.post(routes.microk8sImport, { config: { access: 'own' } }, async (request, reply) => {
    const token = request.headers['x-microk8s-callback-token'];
    if (!agent.token.matches(typeof token === 'string' ? token : undefined, request.raw.socket)) {
      const line = agent.strangers.next();
      if (line !== undefined)
        agent.log.info(
          { route: routes.microk8sImport, who: whoIs(request), ...line },
          'request refused: another token',
        );
      return answerJson(request, reply, 401, { error: 'Invalid token' }, asGoSays);
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
      const failure = toImgctlError(error);
      const { code, message, hint } = failure;
      const text = `Failed to import the image: ${message}${hint === undefined ? '' : `. ${hint}`}`;
      return answerJson(
        request,
        reply,
        code === 'overloaded' ? 429 : 500,
        { error: text },
        { ...asGoSays, ...retryAfter(failure) },
      );
    }
    return answerJson(request, reply, 200, { status: 'OK' }, asGoSays);
  });

  // A bare 404, whatever the token
  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url: routes.microk8sImport,
    config: { access: 'own' },
    handler: (_request, reply) => reply.code(404).send(),
  });
}

function throwUnlessReady(event: Parameters<typeof isTerminal>[0]): void {
  if (event.type === 'error') throw new Error(event.error.message);
  if (event.type !== 'done') return;
  const failed = event.images.filter(({ state }) => state !== 'ready');
  if (failed.length === 0) return;
  throw new Error(failed.map(({ name, error }) => `${name}: ${error?.message ?? 'not ready'}`).join('; '));
}
