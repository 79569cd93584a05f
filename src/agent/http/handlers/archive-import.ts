import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { formatPlatform, parsePlatform } from '../../../image/platform.ts';
import { formatReference, parseReference } from '../../../image/reference.ts';
import { receiveArchive } from '../../receive-archive.ts';
import { trustedDrain } from '../answer.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext, ArchiveSettings } from '../context.ts';
import { drain } from '../drain.ts';
import { openEvents } from '../first-event.ts';
import { sendEvents } from '../ndjson.ts';
import { flagParameter, type Query, several, single } from '../parameters.ts';
import { requestBody } from '../request-body.ts';
import { whoIs } from '../who.ts';

/**
 * A whole archive in one request, for `curl -T` and other simple clients: the events come while it is still being
 * read. What is wrong from the start (a parameter, the first bytes) is an error status, so that `curl -f` fails.
 */
export function serveArchiveImport(app: FastifyInstance, agent: AgentContext): void {
  const handle = (request: FastifyRequest, reply: FastifyReply) =>
    agent.stopping.transfer(async () => {
      const settings = settingsOf(request.query as Query);
      const gone = clientGone(reply.raw);
      const body = requestBody(request.raw, agent.limits);
      const received = receiveArchive(agent, body, settings, {
        who: whoIs(request),
        signal: AbortSignal.any([gone, agent.stopping.goodbye]),
      });
      const events = await openEvents(received, agent.limits.aliveMs);
      reply.hijack();
      const terminal = await sendEvents(reply.raw, {
        events: () => events,
        busy: () => undefined,
        goodbye: agent.stopping.goodbye,
        clientGone: gone,
        ...agent.limits,
      });
      // Many clients read the answer only once they have sent everything
      if (terminal !== undefined) await drain(request.raw, trustedDrain);
      reply.raw.end();
    });
  // curl -T means PUT
  app.route({ method: ['POST', 'PUT'], url: routes.archiveImport, handler: handle });
}

function settingsOf(query: Query): ArchiveSettings {
  const platforms = several(query, 'platform').flatMap((text) => text.split(','));
  const tag = single(query, 'tag');
  return {
    platforms:
      platforms.length === 0
        ? undefined
        : platforms.map((text) => (text === 'all' ? text : formatPlatform(parsePlatform(text)))),
    pin: flagParameter(query, 'pin'),
    unpack: flagParameter(query, 'unpack'),
    tag: tag === undefined ? undefined : formatReference(parseReference(tag)),
  };
}
