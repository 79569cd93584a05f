import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IssuedFiles, makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { randomImage } from '../support/archives.ts';
import { startFakeRegistry } from '../support/registry/fake-registry.ts';
import { pull, toldOf } from './pulled.ts';

const image = await randomImage({ seed: 'tls hosts' });
const me = { kind: 'password', username: 'me', password: 'very-secret' } as const;

interface TlsServer extends AsyncDisposable {
  readonly port: number;
  /** Who asked: the name in the certificate that was shown; empty where none was. */
  readonly seen: string[];
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function startTls({ cert, key }: IssuedFiles, ca: string, answer: Answer): Promise<TlsServer> {
  const seen: string[] = [];
  const options = { cert, key, ca, requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, (request, response) => {
    const subject = (request.socket as TLSSocket).getPeerCertificate().subject;
    seen.push(String(subject?.CN ?? ''));
    answer(request, response);
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

const serve: Answer = ({ url = '' }, response) => {
  if (url.startsWith('/token')) return void response.end('{"token":"given"}');
  const { bytes, descriptor } =
    image.blobs.find((blob) => url.includes(blob.descriptor.digest)) ?? image.manifest;
  response.writeHead(200, { 'content-type': descriptor.mediaType }).end(bytes);
};

/** Sends whoever asks to another server: for what it has, or for a token. */
const sendTo = {
  redirect:
    (other: string): Answer =>
    ({ url = '' }, response) =>
      void response.writeHead(307, { location: `${other}${url}` }).end(),
  'token that leads on':
    (other: string): Answer =>
    (request, response) => {
      const { url = '', headers } = request;
      if (headers.authorization === 'Bearer given') return serve(request, response);
      if (url.startsWith('/token')) return sendTo.redirect(other)(request, response);
      const realm = `https://${headers.host}/token`;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
    },
  token:
    (other: string): Answer =>
    (request, response) => {
      if (request.headers.authorization === 'Bearer given') return serve(request, response);
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${other}/token"` }).end();
    },
};

describe.each(['redirect', 'token', 'token that leads on'] as const)(
  'a registry over TLS, by its %s,',
  (way) => {
    let authority: TestAuthority;
    let stranger: TestAuthority;
    let registryFiles: IssuedFiles;
    let own: IssuedFiles;

    beforeAll(async () => {
      [authority, stranger] = await Promise.all([makeTestAuthority('known'), makeTestAuthority('stranger')]);
      registryFiles = await authority.issue('registry', { names: ['127.0.0.1'], usages: ['server'] });
      own = await authority.issue('me-myself', { usages: ['client'] });
    });

    afterAll(() => Promise.all([authority, stranger].map((each) => each?.[Symbol.asyncDispose]())));

    const tlsOf = () => ({ ca: authority.pair.cert, cert: own.cert, key: own.key });

    it('cannot lead anybody to plain HTTP, on this machine either', async () => {
      await using other = await startFakeRegistry({ tags: { 'app:1': image } });
      await using registry = await startTls(registryFiles, authority.pair.cert, sendTo[way](other.url));
      await using images = await pull([`127.0.0.1:${registry.port}/app:1`], {
        scheme: 'https',
        tls: tlsOf(),
        credentials: [me],
      });
      expect(images.failed).toMatchObject([{ code: 'registry_failed' }]);
      expect(toldOf(images.failed)).not.toContain('very-secret');
      expect(other.requests).toEqual([]);
    });

    it('has a certificate shown that others are not shown', async () => {
      const files = await authority.issue('other', { names: ['localhost'], usages: ['server'] });
      await using other = await startTls(files, authority.pair.cert, serve);
      const answer = sendTo[way](`https://localhost:${other.port}`);
      await using registry = await startTls(registryFiles, authority.pair.cert, answer);
      await using images = await pull([`127.0.0.1:${registry.port}/app:1`], {
        scheme: 'https',
        tls: tlsOf(),
        credentials: [me],
      });
      expect(images.failed).toEqual([]);
      expect(new Set(registry.seen)).toEqual(new Set(['me-myself']));
      expect(new Set(other.seen)).toEqual(new Set(['']));
    });

    it('may be taken without a certificate that is trusted, and others are not', async () => {
      const files = await stranger.issue('other', { names: ['localhost'], usages: ['server'] });
      await using other = await startTls(files, authority.pair.cert, serve);
      const answer = sendTo[way](`https://localhost:${other.port}`);
      await using registry = await startTls(registryFiles, authority.pair.cert, answer);
      await using images = await pull([`127.0.0.1:${registry.port}/app:1`], {
        scheme: 'https',
        tls: { skipVerify: true },
        credentials: [me],
      });
      expect(images.failed).toMatchObject([{ code: 'registry_untrusted' }]);
      expect(other.seen).toEqual([]);
      expect(registry.seen.length).toBeGreaterThan(0);
    });
  },
);
