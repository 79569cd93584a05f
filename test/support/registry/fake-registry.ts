import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestBlob } from '../blobs.ts';

/**
 * A registry that misbehaves: over plain HTTP on loopback, from memory, as the distribution specification has it until
 * a fault is put in its way.
 */
export interface FakeRegistry extends AsyncDisposable {
  readonly host: string;
  readonly url: string;
  /** What was asked for, with its headers. */
  readonly requests: {
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
    /** Of the client's end of the connection. */
    readonly port: number | undefined;
  }[];
  /** Each answers one request whose path it is for, in its turn. */
  readonly faults: Fault[];
  /** What every request has to pass: true where it was answered. */
  guard?: (request: IncomingMessage, response: ServerResponse, body: string) => boolean;
  paths(): string[];
}

export interface Fault {
  readonly path: RegExp;
  answer(response: ServerResponse, bytes: Buffer | undefined, request: IncomingMessage): void;
}

export interface FakeOptions {
  /** `app:1`, each with the image that it names. */
  readonly tags?: Readonly<
    Record<string, { readonly target: TestBlob['descriptor']; readonly blobs: readonly TestBlob[] }>
  >;
  /** Whether it knows ranges. */
  readonly ranges?: boolean;
}

export async function startFakeRegistry({
  tags = {},
  ranges = true,
}: FakeOptions = {}): Promise<FakeRegistry> {
  const images = Object.values(tags);
  const blobs = new Map<string, TestBlob>(
    images.flatMap((image) => image.blobs.map((blob) => [blob.descriptor.digest, blob] as const)),
  );
  const find = (path: string): TestBlob | undefined => {
    const [, repository = '', kind, name = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    const tagged = kind === 'manifests' ? tags[`${repository}:${name}`]?.target.digest : undefined;
    return blobs.get(tagged ?? name);
  };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://fake');
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
    const { remotePort: port } = request.socket;
    registry.requests.push({ path: `${url.pathname}${url.search}`, headers: request.headers, body, port });
    if (registry.guard?.(request, response, body)) return;
    const blob = find(url.pathname);
    const fault = registry.faults.find(({ path }) => path.test(url.pathname));
    if (fault !== undefined) {
      registry.faults.splice(registry.faults.indexOf(fault), 1);
      return fault.answer(response, blob && Buffer.from(blob.bytes), request);
    }
    if (blob === undefined) return void response.writeHead(404).end('{"errors":[{"code":"UNKNOWN"}]}');
    const start = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
    const { bytes, descriptor } = blob;
    const type = url.pathname.includes('/manifests/') ? descriptor.mediaType : 'application/octet-stream';
    response.writeHead(start > 0 ? 206 : 200, {
      'content-type': type,
      'content-length': bytes.byteLength - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}` } : {}),
    });
    response.end(bytes.subarray(start));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const registry: FakeRegistry = {
    host,
    url: `http://${host}`,
    requests: [],
    faults: [],
    paths: () => registry.requests.map(({ path }) => path),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
  return registry;
}

/** A status, once. */
export function refuse(path: RegExp, status: number, headers: Record<string, string> = {}, body = ''): Fault {
  return { path, answer: (response) => void response.writeHead(status, headers).end(body) };
}

/** Half of what was asked for; then the connection breaks. */
export function breakOff(path: RegExp): Fault {
  return {
    path,
    answer(response, bytes = Buffer.alloc(0)) {
      response.writeHead(200, { 'content-length': bytes.byteLength });
      response.write(bytes.subarray(0, bytes.byteLength / 2), () => setTimeout(() => response.destroy(), 50));
    },
  };
}
