import type { FastifyInstance } from 'fastify';
import { maxRateHeader, parseMaxRate } from '../../../agent-api/max-rate.ts';
import { routes } from '../../../agent-api/routes.ts';
import { haveRequestSchema } from '../../../agent-api/schemas.ts';
import { ImgctlError } from '../../../errors.ts';
import { PacedBody } from '../../../streams/paced-body.ts';
import { notePassed } from '../../../streams/reclaim.ts';
import { answerJson } from '../answer.ts';
import { parseRange } from '../byte-range.ts';
import { clientGone } from '../client-gone.ts';
import type { AgentContext } from '../context.ts';
import { digestParameter } from '../parameters.ts';
import { pattern } from '../pattern.ts';
import { readJson } from '../read-json.ts';
import { writeOut } from '../write-out.ts';

/** What the store has of blobs, and their content: peers fetch from here. */
export function serveBlobs(app: FastifyInstance, { store, limits, uplink }: AgentContext): void {
  app.post(routes.blobsHave, async (request, reply) => {
    const { digests } = await readJson(request.raw, haveRequestSchema, limits);
    const here = await store.sizesOf(digests, clientGone(reply.raw));
    await answerJson(request, reply, 200, { digests: digests.filter((digest) => here.has(digest)) });
  });

  app.get(pattern(routes.blob(':digest')), async (request, reply) => {
    const digest = digestParameter(request.params);
    const gone = clientGone(reply.raw);
    using use = uplink.use(parseMaxRate(request.headers[maxRateHeader]));
    const size = (await store.sizesOf([digest], gone)).get(digest);
    if (size === undefined) {
      throw new ImgctlError('blob_unknown', `this node does not have ${digest}`, { context: { digest } });
    }
    const range = parseRange(request.headers.range, size);
    const [start, end] = range.kind === 'part' ? [range.start, range.end] : [0, size];
    reply.hijack();
    const response = reply.raw;
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('etag', `"${digest}"`);
    if (range.kind === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${size}`, 'content-length': 0 }).end();
      return;
    }
    if (range.kind === 'part') response.setHeader('content-range', `bytes ${start}-${end - 1}/${size}`);
    response.writeHead(range.kind === 'part' ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': end - start,
    });
    if (request.method !== 'HEAD' && end > start) {
      try {
        const bytes = store.read(digest, { offset: start, length: end - start }, gone);
        for await (const chunk of new PacedBody(bytes, use.flow, gone)) {
          await writeOut(response, chunk, limits.idleMs);
          notePassed(chunk.byteLength);
        }
      } catch {
        // The head is out: a connection that breaks before the announced length tells the client
        response.destroy();
        return;
      }
    }
    response.end();
  });
}
