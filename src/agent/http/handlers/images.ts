import type { FastifyInstance } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { listNodeImages } from '../../node-images.ts';
import { removeNodeImage } from '../../remove-node-image.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { pathParameter } from '../parameters.ts';
import { pattern } from '../pattern.ts';

/** The names that the node has. A name may be written with its slashes encoded or as they are. */
export function serveImages(app: FastifyInstance, { store, log }: AgentContext): void {
  app.get(routes.images, async (request, reply) => {
    const images = await listNodeImages(store, clientGone(reply.raw));
    await answerJson(request, reply, 200, { images });
  });

  app.delete(pattern(routes.image('*')), async (request, reply) => {
    const name = await removeNodeImage(store, pathParameter(request.params, '*'), clientGone(reply.raw));
    log.info({ image: name }, 'image removed');
    await answerJson(request, reply, 200, { removed: true, name });
  });
}
