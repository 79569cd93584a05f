import type { FastifyInstance } from 'fastify';
import { routes } from '../../../agent-api/routes.ts';
import { hasCode, ImgctlError } from '../../../errors.ts';
import { answerJson } from '../answer.ts';
import type { AgentContext } from '../context.ts';

/** Probes wait a second or so: what the store has not answered by then counts as unreachable. */
const storeAnswersWithinMs = 2_000;

/** Liveness and readiness. No token: they name no image. */
export function serveHealth(app: FastifyInstance, { store, stopping }: AgentContext): void {
  const config = { access: 'open' } as const;
  app.get(routes.healthz, { config }, (request, reply) => answerJson(request, reply, 200, { status: 'ok' }));

  app.get(routes.readyz, { config }, async (request, reply) => {
    stopping.refuseNew();
    const timeout = AbortSignal.timeout(storeAnswersWithinMs);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const onTimeout = () => reject(timeout.reason);
    timeout.addEventListener('abort', onTimeout, { once: true });
    try {
      await Promise.race([store.info(timeout), late]);
    } catch (cause) {
      // Strangers may ask: why it is not reachable is in the log
      throw hasCode(cause, 'store_unreachable')
        ? cause
        : new ImgctlError('store_unreachable', 'the image store does not answer', { cause });
    } finally {
      timeout.removeEventListener('abort', onTimeout);
    }
    await answerJson(request, reply, 200, { status: 'ok' });
  });
}
