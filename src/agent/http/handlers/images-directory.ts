import type { FastifyInstance } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { answerJson } from '../answer.ts';
import type { AgentContext } from '../context.ts';

/** What has become of the files in the images directory; of an agent that has none, no directory. */
export function serveImagesDirectory(app: FastifyInstance, { imagesDirectory }: AgentContext): void {
  app.get(routes.imagesDirectory, async (request, reply) => {
    await answerJson(request, reply, 200, imagesDirectory() ?? { files: [] });
  });
}
