import { createSecureContext } from 'node:tls';
import type { Cluster } from '@kubernetes/client-node/dist/config_types.js';
import type { RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import { Agent, type Dispatcher } from 'undici';
import { ImgctlError } from '../../errors.ts';
import { environmentProxy } from '../../streams/environment-proxy.ts';
import type { ChosenContext } from './choose-context.ts';
import type { SettledUser } from './user-credentials.ts';

/** The API server of a context, and how it is spoken to. */
export interface ApiServer {
  readonly url: URL;
  /** They hold the credentials: for requests, never for messages. */
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
}

/** @throws ImgctlError `config_invalid`: an address, file or certificate of the kubeconfig cannot be used */
export async function apiServer(
  chosen: ChosenContext,
  user: SettledUser,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ApiServer> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const url = serverUrl(chosen, user);
  const proxyUrl = chosen.cluster.proxyUrl || environmentProxy(url, env);
  const cluster: Cluster = {
    ...chosen.cluster,
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(chosen.cluster.caData ? { caFile: '' } : {}),
    server: url.href.replace(/\/$/, ''),
    // The library speaks plain HTTP only so; there is nothing to verify then
    ...(url.protocol === 'http:' ? { skipTLSVerify: true } : {}),
  };
  const config = new KubeConfig();
  config.loadFromClusterAndUser(cluster, user);
  const headers: Record<string, string> = {};
  let dispatcher: Dispatcher | undefined;
  try {
    const tls: Parameters<typeof createSecureContext>[0] & { agent?: unknown } = {};
    await config.applyToHTTPSOptions(tls);
    const { ca, cert, key } = tls;
    // Said here, what would else be said in OpenSSL's words at the first connection
    createSecureContext({ ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) });
    const request: Pick<RequestContext, 'setHeaderParam' | 'setDispatcher'> = {
      setHeaderParam: (name, value) => {
        headers[name.toLowerCase()] = value;
      },
      setDispatcher: (made) => {
        dispatcher = made as Dispatcher;
      },
    };
    await config.applySecurityAuthentication(request as RequestContext);
  } catch (error) {
    const { context, kubeconfig } = chosen;
    const message = `context ${context} of the kubeconfig ${kubeconfig} cannot be used`;
    throw new ImgctlError('config_invalid', message, {
      hint: 'Check the certificates and files that it names, or name the nodes: --nodes.',
      cause: error,
    });
  }
  return { url, headers, dispatcher: dispatcher ?? new Agent() };
}

/** As kubectl reads it: without a scheme, what the certificates say. */
function serverUrl({ cluster, context, kubeconfig }: ChosenContext, user: SettledUser): URL {
  const { server, caData, caFile, skipTLSVerify } = cluster;
  const tls = caData || caFile || skipTLSVerify || user.certData || user.certFile;
  const text = /^[a-z]+:\//i.test(server) ? server : `${tls ? 'https' : 'http'}://${server}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') {
    // Nothing that messages should not hold
    url.username = url.password = url.search = url.hash = '';
    return url;
  }
  throw new ImgctlError(
    'config_invalid',
    `context ${context} of the kubeconfig ${kubeconfig} names a server that is not one`,
    { hint: 'A server is written as https://HOST:PORT.' },
  );
}
