import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { registryImageRequestSchema } from '../../../agent-api/registry-image.ts';
import { routes } from '../../../agent-api/routes.ts';
import { readRegistryImage } from '../../registries/read-image.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { readJson } from '../read-json.ts';

/** What an image is at its registry, read as this node reaches it: who has no way there asks here. */
export function serveRegistryImage(app: FastifyInstance, agent: AgentContext): void {
  const { imports, registries, stopping, limits } = agent;
  app.post(routes.registryImage, async (request, reply) => {
    stopping.refuseNew();
    // It counts as an import: as much is read, and no more of them at once
    using _ = imports.takePlace();
    const gone = clientGone(reply.raw);
    const asked = await readJson(request.raw, registryImageRequestSchema, limits);
    using borrowed = await registries.borrow(`run ${asked.run ?? randomUUID()}`, asked.logins);
    const signal = AbortSignal.any([gone, stopping.goodbye]);
    await answerJson(request, reply, 200, await readRegistryImage(asked, borrowed.clients, signal));
  });
}
