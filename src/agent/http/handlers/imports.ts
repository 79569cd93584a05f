import type { FastifyInstance, FastifyRequest } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { declarationSchema, moreSchema } from '../../../agent-api/schemas.ts';
import { answerJson } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { flagParameter, pathParameter, type Query } from '../parameters.ts';
import { pattern } from '../pattern.ts';
import { readJson } from '../read-json.ts';
import { whoIs } from '../who.ts';

/** Imports as resources: declared, added to, asked about, left. */
export function serveImports(app: FastifyInstance, agent: AgentContext): void {
  const { imports, stopping, limits } = agent;
  const idOf = (request: FastifyRequest) => pathParameter(request.params, 'id');

  app.post(routes.imports, async (request, reply) => {
    stopping.refuseNew();
    const gone = clientGone(reply.raw);
    const declaration = await readJson(request.raw, declarationSchema, limits);
    if (declaration.dryRun === true) {
      return answerJson(request, reply, 200, await agent.previewImport(declaration, gone));
    }
    const { opened } = await imports.open(declaration, whoIs(request), gone);
    return answerJson(request, reply, 201, opened);
  });

  app.patch(pattern(routes.import(':id')), async (request, reply) =>
    imports.use(idOf(request), async ({ import: hosted }) => {
      stopping.refuseNew();
      const more = await readJson(request.raw, moreSchema, limits);
      await answerJson(request, reply, 200, await hosted.declare(more, clientGone(reply.raw)));
    }),
  );

  app.get(pattern(routes.import(':id')), async (request, reply) =>
    imports.use(idOf(request), async ({ import: hosted }) =>
      answerJson(request, reply, 200, await hosted.state(clientGone(reply.raw))),
    ),
  );

  app.delete(pattern(routes.import(':id')), async (request, reply) => {
    const discard = flagParameter(request.query as Query, 'discard') ?? false;
    await imports.leave(idOf(request), { discard });
    await answerJson(request, reply, 200, {});
  });
}
