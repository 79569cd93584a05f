import Fastify, { type FastifyInstance } from 'fastify';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import { answerError } from './answer.ts';
import type { AgentContext } from './context.ts';
import { serveArchiveImport } from './handlers/archive-import.ts';
import { serveBlobs } from './handlers/blobs.ts';
import { serveHealth } from './handlers/health.ts';
import { serveImages } from './handlers/images.ts';
import { serveImagesDirectory } from './handlers/images-directory.ts';
import { serveImportBlobs } from './handlers/import-blobs.ts';
import { serveImportEvents } from './handlers/import-events.ts';
import { serveImportFetch } from './handlers/import-fetch.ts';
import { serveImports } from './handlers/imports.ts';
import { serveMetrics } from './handlers/metrics.ts';
import { serveMicrok8s } from './handlers/microk8s.ts';
import { serveNode } from './handlers/node.ts';
import { servePeersCheck } from './handlers/peers-check.ts';
import { serveRegistryImage } from './handlers/registry-image.ts';
import { whoIs } from './who.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `open`: no token. `own`: the handler checks. Absent: the bearer token. */
    access?: 'open' | 'own';
  }
}

/** The routes of the agent's API, and what is the same for all: token, errors, metrics. Bodies are left to handlers. */
export async function createRouter(agent: AgentContext): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    // References of 1,024 characters, percent-encoded
    routerOptions: { maxParamLength: 4096 },
    frameworkErrors: (error, request, reply) => {
      void answerError(request, reply, fromFastify(error));
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
  app.addHook('onRequest', async ({ raw: { socket }, routeOptions, headers }) => {
    const { access } = routeOptions.config;
    if (access === undefined) agent.token.requireBearer(headers.authorization, socket);
    // A stranger who reads no answer must not keep the connection; Node.js resets this with every request
    else if (access === 'open') socket.setTimeout(agent.limits.idleMs);
  });
  app.addHook('onResponse', async ({ method, routeOptions }, reply) => {
    const route = routeOptions.url ?? 'unknown';
    agent.metrics.requestEnded({ method, route, status: reply.raw.statusCode }, reply.elapsedTime / 1000);
  });
  app.setErrorHandler((thrown, request, reply) => {
    const error = fromFastify(thrown);
    const { method, routeOptions } = request;
    const byStranger =
      routeOptions.config.access !== undefined ||
      error.code === 'node_unauthorized' ||
      error.code === 'overloaded';
    const told = byStranger ? agent.strangers.next() : {};
    const line = {
      method,
      route: routeOptions.url,
      code: error.code,
      message: error.message,
      who: whoIs(request),
      context: error.context,
      ...told,
    };
    if (told === undefined) return answerError(request, reply, error);
    if (error.code === 'internal') agent.log.error({ ...line, err: error.cause }, 'request failed');
    else agent.log.info(line, 'request refused');
    return answerError(request, reply, error);
  });
  app.setNotFoundHandler((request, reply) =>
    answerError(request, reply, new ImgctlError('route_unknown', 'this agent has no such route')),
  );
  for (const serve of [
    serveNode,
    serveImports,
    serveImportEvents,
    serveImportBlobs,
    serveImportFetch,
    serveBlobs,
    serveImages,
    serveImagesDirectory,
    serveArchiveImport,
    serveMicrok8s,
    servePeersCheck,
    serveRegistryImage,
    serveHealth,
    serveMetrics,
  ])
    serve(app, agent);
  await app.ready();
  return app;
}

/** Fastify's own errors are about the request's form. */
function fromFastify(thrown: unknown): ImgctlError {
  const isFastify = thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('FST_ERR_');
  if (!isFastify) return toImgctlError(thrown);
  return new ImgctlError('request_invalid', `the request is not valid (${thrown.code})`, { cause: thrown });
}
