import type { RequestListener } from 'node:http';
import { routes } from '../../agent-api/routes.ts';
import { endWith, malformedAnswer } from './malformed.ts';

const probes: ReadonlySet<string> = new Set([routes.healthz, routes.readyz, routes.metrics]);

/**
 * What an address for probes serves: a kubelet has neither token nor client certificate. Paths are compared as they
 * are written, so that no other way of writing one gets through to the router.
 */
export function probesOnly(handle: RequestListener): RequestListener {
  return (request, response) => {
    const { method, url = '' } = request;
    if ((method === 'GET' || method === 'HEAD') && probes.has(url)) {
      handle(request, response);
      return;
    }
    const message = `only ${[...probes].join(', ')} are served here`;
    // The body, if any, is not read: the connection goes with it
    endWith(request.socket, malformedAnswer('404 Not Found', { code: 'route_unknown', message }));
  };
}
