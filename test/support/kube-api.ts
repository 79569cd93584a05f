import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { makeTestAuthority, type TestAuthority } from './agent-certificates.ts';

/**
 * An API server of Kubernetes as far as listing nodes and pods goes, over HTTPS on loopback, as the API reference describes it:
 * client certificates or bearer tokens, label selectors, pages with continue tokens that expire, Status documents.
 */

export interface KubeApi extends AsyncDisposable {
  readonly url: string;
  readonly authority: TestAuthority;
  /** What was asked: path and query. */
  readonly requests: URL[];
  /** Headers of the last request. */
  headers: IncomingMessage['headers'];
  nodes: readonly unknown[];
  pods: readonly unknown[];
  /** Who may list nodes; another user is forbidden to. Certificates say `CN`, tokens are mapped by `tokens`. */
  admins: string[];
  tokens: Record<string, string>;
  /** Each answers one request, in its turn, before anything else is looked at. */
  readonly faults: Fault[];
  /** Continue tokens that are out get too old. */
  expireTokens(): void;
}

export type Fault = (request: IncomingMessage, response: ServerResponse) => void;

export interface KubeApiOptions {
  readonly authority?: TestAuthority;
  /** The names of its certificate. */
  readonly names?: readonly string[];
  /** Where it listens: loopback, a port that is free. */
  readonly host?: string;
  readonly port?: number;
}

export async function startKubeApi({
  authority,
  names = ['127.0.0.1'],
  host = '127.0.0.1',
  port = 0,
}: KubeApiOptions = {}): Promise<KubeApi> {
  const ca = authority ?? (await makeTestAuthority('kubernetes'));
  const { cert, key } = await ca.issue('apiserver', { names, usages: ['server'] });
  let generation = 1;
  const server = createServer(
    { cert, key, ca: ca.pair.cert, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      api.requests.push(new URL(request.url ?? '', 'https://api'));
      api.headers = request.headers;
      const fault = api.faults.shift();
      if (fault !== undefined) fault(request, response);
      else answer(api, generation, request, response);
    },
  );
  await new Promise<void>((listening) => server.listen(port, host, listening));
  const api: KubeApi = {
    url: `https://${host}:${(server.address() as AddressInfo).port}`,
    authority: ca,
    requests: [],
    headers: {},
    nodes: [],
    pods: [],
    admins: ['admin'],
    tokens: {},
    faults: [],
    expireTokens: () => {
      generation += 1;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      if (authority === undefined) await ca[Symbol.asyncDispose]();
    },
  };
  return api;
}

/** A kubeconfig of one cluster and one user, whose context is the current one. `more`: of the cluster. */
export function kubeconfigOf(
  { url, authority }: Pick<KubeApi, 'url' | 'authority'>,
  user: object,
  more: object = {},
): string {
  const cluster = { server: url, 'certificate-authority': authority.caFile, ...more };
  return JSON.stringify({
    clusters: [{ name: 'k', cluster }],
    users: [{ name: 'me', user }],
    contexts: [{ name: 'prod', context: { cluster: 'k', user: 'me' } }],
    'current-context': 'prod',
  });
}

/** A user as a kubeconfig has one: a client certificate of the cluster's authority. */
export async function kubeUser({ authority }: Pick<KubeApi, 'authority'>, name = 'admin'): Promise<object> {
  const { certFile, keyFile } = await authority.issue(name, { names: [], usages: ['client'] });
  return { 'client-certificate': certFile, 'client-key': keyFile };
}

function answer(api: KubeApi, generation: number, request: IncomingMessage, response: ServerResponse): void {
  const url = api.requests.at(-1) as URL;
  const user = userOf(api, request);
  if (user === undefined) return void status(response, 401, 'Unauthorized', 'Unauthorized');
  const what = /^\/api\/v1\/(nodes|pods)$/.exec(url.pathname)?.[1] as 'nodes' | 'pods' | undefined;
  if (what === undefined)
    return void status(response, 404, 'NotFound', 'the server could not find the requested resource');
  if (!api.admins.includes(user)) {
    const message = `${what} is forbidden: User "${user}" cannot list resource "${what}" in API group "" at the cluster scope`;
    return void status(response, 403, 'Forbidden', message);
  }
  const selector = url.searchParams.get('labelSelector') ?? '';
  const matches = selectorOf(selector);
  if (matches === undefined) {
    const message = `unable to parse requirement: found '${selector}', expected: identifier`;
    return void status(response, 400, 'BadRequest', message);
  }
  const limit = Number(url.searchParams.get('limit') ?? 0) || Number.POSITIVE_INFINITY;
  const next = tokenOf(url);
  if (next !== undefined && next.generation !== 0 && next.generation !== generation) {
    const metadata = { continue: makeToken(0, next.start) };
    const message =
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.';
    return void status(response, 410, 'Expired', message, metadata);
  }
  const start = next?.start ?? 0;
  const all = api[what].filter(matches);
  const items = all.slice(start, start + limit);
  const rest = all.length - start - items.length;
  json(response, 200, {
    kind: what === 'nodes' ? 'NodeList' : 'PodList',
    apiVersion: 'v1',
    metadata: {
      resourceVersion: '4711',
      ...(rest > 0
        ? {
            continue: makeToken(next?.generation ?? generation, start + items.length),
            remainingItemCount: rest,
          }
        : {}),
    },
    items,
  });
}

function userOf({ tokens }: KubeApi, request: IncomingMessage): string | undefined {
  const socket = request.socket as TLSSocket;
  if (socket.authorized) return String(socket.getPeerCertificate().subject.CN);
  return tokens[/^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''];
}

/** `a=b`, `a!=b`, `a`, `!a`, apart by commas. */
function selectorOf(text: string): ((node: unknown) => boolean) | undefined {
  const parts = text.split(',').filter((part) => part !== '');
  const tests = parts.map((part) => /^(!?)([\w./-]+)(?:(!?)==?([\w.-]*))?$/.exec(part.replace('!=', '!==')));
  if (tests.some((test) => test === null)) return undefined;
  return (node) =>
    tests.every((test) => {
      const [, absent, key = '', not, value] = test ?? [];
      const is = (node as { metadata: { labels?: Record<string, string> } }).metadata.labels?.[key];
      if (value === undefined) return (is !== undefined) !== (absent === '!');
      return not === '!' ? is !== value : is === value;
    });
}

interface Token {
  /** 0: a token that is given with a 410, for the latest state. */
  readonly generation: number;
  readonly start: number;
}

function tokenOf(url: URL): Token | undefined {
  const token = url.searchParams.get('continue');
  return token === null ? undefined : JSON.parse(Buffer.from(token, 'base64url').toString());
}

function makeToken(generation: number, start: number): string {
  return Buffer.from(JSON.stringify({ generation, start })).toString('base64url');
}

export function status(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  metadata: object = {},
): void {
  json(response, code, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata,
    status: 'Failure',
    message,
    reason,
    code,
  });
}

function json(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

export interface FakeNode {
  readonly addresses?: readonly (readonly [type: string, address: string])[];
  readonly ready?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly unschedulable?: boolean;
  readonly nodeInfo?: object;
  /** Bytes of what nobody here reads: images, managed fields. */
  readonly padding?: number;
}

/** A node as the API lists it; by default Ready, linux/amd64 with containerd, and with no address. */
export function kubeNode(
  name: string,
  { addresses = [], ready = true, labels = {}, unschedulable, nodeInfo, padding = 0 }: FakeNode = {},
): object {
  return {
    metadata: { name, uid: `uid-${name}`, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec: { podCIDR: '10.42.0.0/24', ...(unschedulable === undefined ? {} : { unschedulable }) },
    status: {
      addresses: addresses.map(([type, address]) => ({ type, address })),
      conditions: [
        { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' },
        {
          type: 'Ready',
          status: ready ? 'True' : 'Unknown',
          reason: ready ? 'KubeletReady' : 'NodeStatusUnknown',
        },
      ],
      nodeInfo: nodeInfo ?? {
        architecture: 'amd64',
        operatingSystem: 'linux',
        containerRuntimeVersion: 'containerd://1.7.24',
        kubeletVersion: 'v1.31.4',
      },
      images: [{ names: ['x'.repeat(padding)], sizeBytes: 1 }],
    },
  };
}
