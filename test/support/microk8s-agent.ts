import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeTestAuthority, type TestAuthority } from './agent-certificates.ts';
import { freePort } from './agent-process.ts';
import type { ContainerdDaemon } from './containerd/daemon.ts';

/**
 * MicroK8s's cluster agent as its Go source has it (canonical/microk8s-cluster-agent): statuses, JSON, types, its
 * deadline over upload and import, and its early answers, with the body unread and the connection closed behind them.
 * The archive goes to `ctr`, or to what a test puts in its place. With MICROK8S_CLUSTER_AGENT naming the real program
 * `startRealMicrok8sAgent` runs that one.
 */

export const importPath = '/cluster/api/v2.0/image/import';
/** Behind an answer, Go's server waits so long before it closes with the body unread. */
const closesAfterMs = 500;
const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
export const goArchitecture = goArchitectures[process.arch] ?? process.arch;

export interface Microk8sCluster extends AsyncDisposable {
  readonly token: string;
  readonly authority: TestAuthority;
  /** As `/var/snap/microk8s/current` of a control plane node. */
  readonly snapData: string;
  readonly tokenFile: string;
  readonly caFile: string;
}

export async function makeMicrok8sCluster(): Promise<Microk8sCluster> {
  const authority = await makeTestAuthority('10.152.183.1');
  const snapData = join(await mkdtemp(join(tmpdir(), 'imgctl-microk8s-')), 'current');
  await Promise.all(['credentials', 'certs'].map((dir) => mkdir(join(snapData, dir), { recursive: true })));
  const token = Array.from(
    { length: 64 },
    () => 'ABCDEFGHJKMNPQRSTUVWXYZ'[Math.floor(Math.random() * 23)],
  ).join('');
  const tokenFile = join(snapData, 'credentials', 'callback-token.txt');
  const caFile = join(snapData, 'certs', 'ca.crt');
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  await writeFile(caFile, authority.pair.cert);
  return {
    token,
    authority,
    snapData,
    tokenFile,
    caFile,
    async [Symbol.asyncDispose]() {
      await authority[Symbol.asyncDispose]();
      await rm(join(snapData, '..'), { recursive: true, force: true });
    },
  };
}

export interface SeenRequest {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly token: string | undefined;
  readonly length: string | undefined;
  /** Of its body, so far. */
  bytes: number;
}

export interface Microk8sTestAgent extends AsyncDisposable {
  /** `HOST:PORT` */
  readonly address: string;
  readonly url: URL;
  readonly certFile: string;
  readonly requests: SeenRequest[];
}

/** What happens to the archive: an exit status of `ctr`, 0 when it went well. */
export type Importer = (archive: Readable) => Promise<number>;

export interface Microk8sAgentOptions {
  readonly cluster: Microk8sCluster;
  readonly importer: Importer;
  /** Names and addresses of its certificate. */
  readonly names?: readonly string[];
  /** Another authority than the cluster's signs its certificate: a worker's own, or a stranger's. */
  readonly authority?: TestAuthority;
  readonly deadlineMs?: number;
  /** Where it listens: loopback, a port that is free. */
  readonly host?: string;
  readonly port?: number;
  /** Comes before everything else; answers whether it dealt with the request. */
  readonly instead?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

const serverNames = ['kubernetes', 'kubernetes.default', '127.0.0.1', '10.152.183.1'];

export async function startMicrok8sAgent(options: Microk8sAgentOptions): Promise<Microk8sTestAgent> {
  const { cluster, authority = cluster.authority, names = serverNames } = options;
  const { host = '127.0.0.1', port = 0 } = options;
  const { cert, key, certFile } = await authority.issue(`server-${Math.random()}`, { names: [...names] });
  const requests: SeenRequest[] = [];
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const { method, url: path, headers } = request;
    const token = headers['x-microk8s-callback-token'];
    const seen: SeenRequest = {
      method,
      path,
      token: typeof token === 'string' ? token : undefined,
      length: headers['content-length'],
      bytes: 0,
    };
    requests.push(seen);
    request.on('error', () => {});
    if (options.instead?.(request, response)) return;
    void answerAsGo(request, response, seen, options);
  };
  const server = createServer({ cert, key, requestTimeout: 0 }, serve).on('checkContinue', serve);
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const address = `${host}:${(server.address() as AddressInfo).port}`;
  return {
    address,
    url: new URL(`https://${address}`),
    certFile,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answerAsGo(
  request: IncomingMessage,
  response: ServerResponse,
  seen: SeenRequest,
  { cluster, importer, deadlineMs = 240_000 }: Microk8sAgentOptions,
): Promise<void> {
  if (seen.path === '/health' && seen.method === 'GET')
    return answer(request, response, 200, '{"status":"OK"}');
  if (seen.path !== importPath) return answer(request, response, 404, '{"error":"Not found"}');
  if (seen.method !== 'POST') return answer(request, response, 404, '');
  if (seen.token !== cluster.token) return answer(request, response, 401, '{"error":"Invalid token"}');
  const archive = new PassThrough();
  archive.on('error', () => {});
  // Whoever reads the body asks for it
  if (request.headers.expect !== undefined) response.writeContinue();
  request.on('data', (chunk: Buffer) => {
    seen.bytes += chunk.byteLength;
    if (!archive.destroyed && !archive.write(chunk)) request.pause();
  });
  for (const event of ['drain', 'close']) archive.on(event, () => request.resume());
  request.on('end', () => archive.end());
  request.on('close', () => {
    if (!request.complete) archive.destroy(new Error('unexpected EOF'));
  });
  const late = sleep(deadlineMs, 'signal: killed', { ref: false });
  const status = await Promise.race([importer(archive), late]).catch(() => 1);
  request.removeAllListeners('data');
  archive.removeAllListeners('close').destroy();
  request.pause();
  if (status === 0) return answer(request, response, 200, '{"status":"OK"}');
  const why = typeof status === 'number' ? `exit status ${status}` : status;
  return answer(
    request,
    response,
    500,
    `{"error":"Failed to import the image: microk8s.ctr command failed: ${why}"}`,
  );
}

/** Go's server does not read on: it answers, ends its side, and closes a moment later. */
function answer(request: IncomingMessage, response: ServerResponse, status: number, body: string): void {
  if (response.destroyed) return;
  const type = body === '' ? {} : { 'content-type': 'text/plain; charset=utf-8' };
  const { socket } = request;
  const unread = request.method === 'POST' && !request.complete;
  response.writeHead(status, {
    ...type,
    'content-length': body.length,
    ...(unread ? { connection: 'close' } : {}),
  });
  if (!unread) {
    response.end(body);
    return;
  }
  request.pause();
  response.write(body, () => setTimeout(() => socket.destroy(), closesAfterMs).unref());
}

/** `ctr` as the agent runs it. */
export function ctrImporter(daemon: ContainerdDaemon): Importer {
  return async (archive) => {
    const args = ['--namespace', 'k8s.io', '--address', daemon.socket, 'image', 'import'];
    const { status } = await daemon.ctr([...args, '--platform', goArchitecture, '-'], { input: archive });
    return status;
  };
}

/** Reads everything, and finds it good. */
export const anyArchive: Importer = async (archive) => {
  archive.resume();
  await once(archive, 'end');
  return 0;
};

/** The program that MICROK8S_CLUSTER_AGENT names, in front of this containerd. */
export async function startRealMicrok8sAgent(
  program: string,
  cluster: Microk8sCluster,
  daemon: ContainerdDaemon,
): Promise<Omit<Microk8sTestAgent, 'requests'> & { log(): string }> {
  const { certFile, keyFile } = await cluster.authority.issue('server', { names: [...serverNames] });
  const snap = join(cluster.snapData, '..', 'snap');
  const common = join(cluster.snapData, '..', 'common');
  await mkdir(join(snap, 'bin'), { recursive: true });
  await mkdir(join(common, 'run'), { recursive: true });
  await symlink(daemon.socket, join(common, 'run', 'containerd.sock'));
  const ctr = join(snap, 'bin', 'ctr');
  await writeFile(
    ctr,
    `#!/bin/sh\nexport CONTAINERD_SNAPSHOTTER=${daemon.snapshotter}\nexec ${join(daemon.generation.bin, 'ctr')} "$@"\n`,
  );
  await chmod(ctr, 0o755);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    program,
    ['cluster-agent', '--bind', address, '--keyfile', keyFile, '--certfile', certFile],
    {
      env: { ...process.env, SNAP: snap, SNAP_DATA: cluster.snapData, SNAP_COMMON: common },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  await sleep(1_000);
  return {
    address,
    url: new URL(`https://${address}`),
    certFile,
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
