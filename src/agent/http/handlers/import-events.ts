import type { FastifyInstance } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { sendEvents } from '../ndjson.ts';
import { pathParameter } from '../parameters.ts';
import { pattern } from '../pattern.ts';

/** What an import does, from where it stands now to its end. A reader keeps the import from being idle. */
export function serveImportEvents(app: FastifyInstance, agent: AgentContext): void {
  const { imports, stopping, limits, pulse } = agent;
  app.get(pattern(routes.importEvents(':id')), { exposeHeadRoute: false }, async (request, reply) =>
    imports.use(pathParameter(request.params, 'id'), async ({ import: hosted }) => {
      reply.hijack();
      await sendEvents(reply.raw, {
        events: (signal) => hosted.events(signal),
        busy: () => pulse.busyOf(hosted),
        goodbye: stopping.goodbye,
        clientGone: clientGone(reply.raw),
        ...limits,
      });
      reply.raw.end();
    }),
  );
}
