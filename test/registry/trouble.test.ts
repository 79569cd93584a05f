import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/image/digest.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import { parseReference } from '../../src/image/reference.ts';
import { ownEndpoint } from '../../src/image/registry-endpoint.ts';
import { BlobReads, readBlob } from '../../src/registry/read-blob.ts';
import { readBounded } from '../../src/registry/read-bounded.ts';
import { RegistryClients } from '../../src/registry/registry-clients.ts';
import { Transport } from '../../src/registry/transport.ts';
import { blobOf, indexOf, randomImage } from '../support/archives.ts';
import { breakOff, type Fault, refuse, startFakeRegistry } from '../support/registry/fake-registry.ts';
import { startProxy } from '../support/registry/proxy.ts';
import { pull, readAll, toldOf } from './pulled.ts';

const image = await randomImage({ layers: 1, layerSize: 300_000, seed: 'trouble' });
const layer = image.layers[0] ?? image.manifest;
const { digest } = layer.descriptor;
const tags = { 'app:1': image };

/** An image of a registry that these serve, asked in this order. */
function pullFrom(...hosts: readonly string[]) {
  const name = 'registry.example.com/app:1';
  const own = ownEndpoint(parseReference(name));
  return pull([name], { endpoints: hosts.map((host) => ({ ...own, url: `http://${host}/v2` })) });
}

/** What listens and has its own idea of HTTP. */
async function startRaw(answer: (socket: Socket) => void): Promise<{ url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Registries that are slow, overloaded, cut off, damaged or malicious. */
describe('a registry in trouble', () => {
  it('is read on from where a body broke off', async () => {
    await using registry = await startFakeRegistry({ tags });
    await using images = await pull([`${registry.host}/app:1`]);
    registry.faults.push(breakOff(/blobs/));
    expect(await readAll(images, digest)).toEqual(layer.bytes);
    const asked = registry.requests.filter(({ path }) => path.includes(digest));
    expect(asked).toHaveLength(2);
    const [, start] = /^bytes=(\d+)-$/.exec(asked[1]?.headers.range ?? '') ?? [];
    expect(Number(start)).toBeGreaterThan(0);
  });

  it('is read on too where it knows no ranges', async () => {
    await using registry = await startFakeRegistry({ tags, ranges: false });
    await using images = await pull([`${registry.host}/app:1`]);
    registry.faults.push(breakOff(/blobs/));
    expect(await readAll(images, digest)).toEqual(layer.bytes);
    expect(await readAll(images, digest, 1234)).toEqual(layer.bytes.subarray(1234));
  });

  it('is read from its start once more where it refuses to go on from there', async () => {
    await using registry = await startFakeRegistry({ tags });
    await using images = await pull([`${registry.host}/app:1`]);
    registry.faults.push(breakOff(/blobs/), refuse(/blobs/, 416));
    expect(await readAll(images, digest)).toEqual(layer.bytes);
    registry.faults.push(refuse(/blobs/, 416));
    expect(await readAll(images, digest, 1234)).toEqual(layer.bytes.subarray(1234));
    const asked = registry.requests.filter(({ path }) => path.includes(digest));
    expect(asked.map(({ headers }) => headers.range !== undefined)).toEqual([
      ...[false, true, false],
      ...[true, false],
    ]);
  });

  it('is not read from its start again and again', async () => {
    await using registry = await startFakeRegistry({ tags });
    await using images = await pull([`${registry.host}/app:1`]);
    let longer = 100_000;
    registry.guard = ({ url = '', headers }, response) => {
      if (!url.includes(digest)) return false;
      if (headers.range !== undefined) response.writeHead(416).end();
      else {
        response.writeHead(200, { 'content-length': layer.bytes.byteLength });
        longer += 50_000;
        response.write(layer.bytes.subarray(0, longer), () => setTimeout(() => response.destroy(), 50));
      }
      return true;
    };
    await expect(readAll(images, digest)).rejects.toMatchObject({
      code: 'registry_failed',
      context: { status: 416 },
    });
    const whole = registry.requests.filter(
      ({ path, headers }) => path.includes(digest) && headers.range === undefined,
    );
    expect(whole).toHaveLength(2);
  });

  it('is given up where bodies break without a byte', async () => {
    await using registry = await startFakeRegistry({ tags });
    await using images = await pull([`${registry.host}/app:1`]);
    for (let i = 0; i < 40; i += 1)
      registry.faults.push({
        path: /blobs/,
        answer(response) {
          response.writeHead(200, { 'content-length': layer.bytes.byteLength });
          response.flushHeaders();
          setTimeout(() => response.destroy(), 5);
        },
      });
    await expect(readAll(images, digest)).rejects.toMatchObject({ code: 'registry_unreachable' });
  });

  it.each([429, 500, 502, 503, 504])('is asked again after status %i', async (status) => {
    await using registry = await startFakeRegistry({ tags });
    registry.faults.push(refuse(/manifests/, status), refuse(/manifests/, status, { 'retry-after': '0' }));
    await using images = await pull([`${registry.host}/app:1`]);
    expect(images.failed).toEqual([]);
  });

  it('is left alone for as long as it asks', async () => {
    await using registry = await startFakeRegistry({ tags });
    registry.faults.push(refuse(/manifests/, 429, { 'retry-after': '1' }));
    const begun = performance.now();
    await using images = await pull([`${registry.host}/app:1`]);
    expect(images.failed).toEqual([]);
    // A timer may be early by a millisecond
    expect(performance.now() - begun).toBeGreaterThan(990);
  });

  it('is given up where it asks for longer than anybody waits, in its own words', async () => {
    await using registry = await startFakeRegistry({ tags });
    const words = '{"errors":[{"code":"TOOMANYREQUESTS","message":"limit \\u001b[31mreached"}]}';
    registry.faults.push(refuse(/manifests/, 429, { 'retry-after': '86400' }, words));
    await using images = await pull([`${registry.host}/app:1`]);
    expect(images.failed).toMatchObject([{ code: 'registry_failed', context: { status: 429 } }]);
    expect(images.failed[0]?.message).toContain('limit  [31mreached');
    expect(registry.requests).toHaveLength(1);
  });

  it('is not asked again what it does not have', async () => {
    await using registry = await startFakeRegistry({ tags });
    await using images = await pull([`${registry.host}/app:2`]);
    expect(images.failed).toMatchObject([{ code: 'image_unknown' }]);
    expect(registry.requests).toHaveLength(1);
  });

  it('does not pass wrong bytes off as a blob', async () => {
    await using registry = await startFakeRegistry({ tags });
    await using images = await pull([`${registry.host}/app:1`]);
    const wrong = Buffer.alloc(layer.bytes.byteLength, 'x');
    registry.faults.push(
      refuse(/blobs/, 200, { 'content-length': String(wrong.byteLength) }, wrong.toString()),
    );
    let received = 0;
    const reading = async () => {
      for await (const chunk of images.read(digest, 0)) received += chunk.byteLength;
    };
    await expect(reading()).rejects.toMatchObject({
      code: 'digest_mismatch',
      context: { digest, phase: 'pull' },
    });
    expect(received).toBeLessThan(layer.bytes.byteLength);
  });

  it('does not pass a shorter or longer body off as a blob', async () => {
    await using registry = await startFakeRegistry({ tags });
    await using images = await pull([`${registry.host}/app:1`]);
    for (const length of [layer.bytes.byteLength - 1, layer.bytes.byteLength + 1]) {
      registry.faults.push(refuse(/blobs/, 200, { 'content-length': String(length) }, 'x'.repeat(length)));
      await expect(readAll(images, digest)).rejects.toMatchObject({ code: 'size_mismatch' });
    }
    const endless = {
      path: /blobs/,
      answer: (response: ServerResponse) => {
        response.writeHead(200);
        response.end('x'.repeat(layer.bytes.byteLength + 70_000));
      },
    };
    registry.faults.push(endless);
    await expect(readAll(images, digest)).rejects.toMatchObject({
      code: expect.stringMatching(/size_mismatch|digest_mismatch/),
    });
  });

  it('does not pass another manifest off for the digest that was asked for, or stated', async () => {
    await using registry = await startFakeRegistry({ tags });
    registry.faults.push(refuse(/manifests/, 200, {}, image.config.bytes.toString()));
    await using asked = await pull([`${registry.host}/app@${image.target.digest}`]);
    expect(asked.failed).toMatchObject([{ code: 'digest_mismatch' }]);
    const headers = { 'docker-content-digest': image.config.descriptor.digest };
    registry.faults.push(refuse(/manifests/, 200, headers, image.manifest.bytes.toString()));
    await using stated = await pull([`${registry.host}/app:1`]);
    expect(stated.failed).toMatchObject([{ code: 'digest_mismatch' }]);
  });

  it('may name a manifest by SHA-512', async () => {
    const long = digestOf(image.manifest.bytes, 'sha512');
    await using registry = await startFakeRegistry({ tags });
    const { mediaType } = image.target;
    const answer = () =>
      refuse(/manifests/, 200, { 'content-type': mediaType }, image.manifest.bytes.toString());
    registry.faults.push(answer());
    await using asked = await pull([`${registry.host}/app@${long}`]);
    expect(asked.images).toMatchObject([{ target: { digest: long } }]);
    registry.faults.push(
      refuse(/manifests/, 200, { 'docker-content-digest': long }, image.manifest.bytes.toString()),
    );
    await using stated = await pull([`${registry.host}/app:1`]);
    expect(stated.images).toMatchObject([{ target: { digest: long } }]);
  });

  it('cannot fill the memory with a manifest', async () => {
    await using registry = await startFakeRegistry({ tags });
    registry.faults.push(refuse(/manifests/, 200, {}, ' '.repeat(9 * 1024 * 1024)));
    await using images = await pull([`${registry.host}/app:1`]);
    expect(images.failed).toMatchObject([{ code: 'document_too_large' }]);
  });

  it('cannot hold anybody up with an answer that does not end', async () => {
    await using registry = await startFakeRegistry({ tags });
    registry.faults.push({
      path: /manifests/,
      answer(response) {
        response.writeHead(200);
        const drip = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(drip));
      },
    });
    const answer = await request(`${registry.url}/v2/app/manifests/1`);
    await expect(readBounded(answer, 1024, 200)).rejects.toMatchObject({ code: 'registry_unreachable' });
  });

  it.each([
    ['the page of a login', {}, Buffer.from('<html>Log in</html>')],
    ['a compressed one', { 'content-encoding': 'gzip' }, gzipSync(image.manifest.bytes)],
    ['half of one', {}, image.manifest.bytes.subarray(0, 100)],
  ])('is named where it gives %s for a manifest', async (_, headers, bytes) => {
    await using registry = await startFakeRegistry({ tags });
    registry.faults.push({
      path: /manifests/,
      answer: (response) => void response.writeHead(200, headers).end(bytes),
    });
    await using images = await pull([`${registry.host}/app:1`]);
    expect(images.failed).toMatchObject([
      { code: 'registry_failed', message: `${registry.host}: what it gives as app:1 is no image manifest` },
    ]);
  });

  it('cannot hold anybody up with headers that do not end', async () => {
    await using server = await startRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const drip = setInterval(() => socket.write('X: y\r\n'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    await using transport = new Transport(undefined, 200);
    await expect(transport.request(new URL(server.url), { headers: {} })).rejects.toMatchObject({
      code: 'registry_unreachable',
      message: expect.stringContaining('does not answer'),
    });
  });

  it('is given up where a blob comes drop by drop, and another that has it is asked', async () => {
    await using slow = await startFakeRegistry({ tags });
    await using good = await startFakeRegistry({ tags });
    const drip: Fault = {
      path: /blobs/,
      answer(response, bytes = Buffer.alloc(0), request) {
        let at = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
        response.writeHead(at > 0 ? 206 : 200, {
          'content-length': bytes.byteLength - at,
          ...(at > 0 && { 'content-range': `bytes ${at}-${bytes.byteLength - 1}/${bytes.byteLength}` }),
        });
        const timer = setInterval(() => {
          response.write(bytes.subarray(at, at + 1));
          at += 1;
        }, 10);
        response.on('close', () => clearInterval(timer));
      },
    };
    for (let i = 0; i < 100; i += 1) slow.faults.push(drip);
    const reference = parseReference('registry.example.com/app:1');
    const at = (host: string) => ({ ...ownEndpoint(reference), url: `http://${host}/v2` });
    const read = async (hosts: readonly string[]) => {
      await using clients = new RegistryClients({
        endpointsOf: async () => hosts.map(at),
        credentialsOf: async () => [],
      });
      const blob = { digest, size: layer.bytes.byteLength, in: [await clients.repository(reference)] };
      return Buffer.concat(
        await Array.fromAsync(readBlob(blob, 0, new BlobReads({ bytes: 1000, withinMs: 100 }))),
      );
    };
    await expect(read([slow.host])).rejects.toMatchObject({ code: 'registry_unreachable' });
    expect(await read([slow.host, good.host])).toEqual(layer.bytes);
  });

  it.each(['r.example.com:99999', '256.1.1.1', '[1:2:3]', '[:::]:5000'])(
    'is none where its address is none: %s',
    async (host) => {
      await using images = await pull([`${host}/app`]);
      expect(images.failed).toMatchObject([
        { code: 'reference_invalid', message: expect.stringContaining(host) },
      ]);
    },
  );

  it('is told to be none where it gives what is no image', async () => {
    await using registry = await startFakeRegistry({ tags });
    registry.faults.push(
      refuse(/manifests/, 200, { 'content-type': 'application/json' }, '{"schemaVersion":1,"fsLayers":[]}'),
      refuse(/manifests/, 200, { 'content-type': 'text/html' }, '{"hello":"there"}'),
    );
    await using old = await pull([`${registry.host}/app:1`]);
    expect(old.failed).toMatchObject([
      { code: 'registry_failed', message: expect.stringContaining('schema 1') },
    ]);
    await using other = await pull([`${registry.host}/app:1`]);
    expect(other.failed).toMatchObject([{ code: 'registry_failed' }]);
  });

  it('may lack platforms of an index that nobody wants, or that were never copied there', async () => {
    const arm = await randomImage({ seed: 'arm', platform: 'linux/arm64' });
    const index = indexOf([image, arm]);
    const without = { ...index, blobs: index.blobs.filter((blob) => !arm.blobs.includes(blob)) };
    await using registry = await startFakeRegistry({ tags: { 'app:1': without } });
    await using all = await pull([`${registry.host}/app:1`]);
    expect(all.failed).toEqual([]);
    expect(all.sizeOf(digest)).toBe(layer.bytes.byteLength);
    const platforms = [{ kind: 'hosts', platforms: [{ os: 'linux', architecture: 's390x' }] }] as const;
    await using none = await pull([`${registry.host}/app:1`], { platforms });
    expect(none.failed).toMatchObject([
      {
        code: 'platform_missing',
        message: 'the image has no linux/s390x; it has linux/amd64, linux/arm64',
        hint: 'Build and push the image for linux/s390x too, or pull what is there with --platform linux/amd64.',
      },
    ]);
  });

  it('is read no faster than what it gives is taken', async () => {
    const zeros = blobOf(mediaTypes.ociLayer, Buffer.alloc(40_000_000));
    const manifest = blobOf(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: image.config.descriptor,
      layers: [zeros.descriptor],
    });
    const large = { target: manifest.descriptor, blobs: [manifest, image.config, zeros] };
    await using registry = await startFakeRegistry({ tags: { 'app:1': large } });
    await using images = await pull([`${registry.host}/app:1`]);
    let sent = 0;
    registry.faults.push({
      path: /blobs/,
      answer(response, bytes = Buffer.alloc(0)) {
        response.writeHead(200, { 'content-length': bytes.byteLength });
        const goOn = () => {
          while (sent < bytes.byteLength && !response.destroyed) {
            const chunk = bytes.subarray(sent, sent + 65_536);
            sent += chunk.byteLength;
            if (!response.write(chunk)) return void response.once('drain', goOn);
          }
          response.end();
        };
        goOn();
      },
    });
    const reading = images.read(zeros.descriptor.digest, 0)[Symbol.asyncIterator]();
    await reading.next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    // What the buffers of both sockets hold, and no more
    expect(sent).toBeLessThan(20_000_000);
    await reading.return?.();
  });

  it('ends at once when it is interrupted', async () => {
    await using registry = await startFakeRegistry({ tags });
    registry.faults.push({ path: /manifests/, answer: () => undefined });
    const stop = new AbortController();
    const pulling = pull([`${registry.host}/app:1`], { signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    await expect(pulling).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('redirects to a blob store', () => {
  it('are followed without the secrets of the registry', async () => {
    await using store = await startFakeRegistry({ tags });
    await using registry = await startFakeRegistry({ tags });
    const location = `http://${store.host}/v2/app/blobs/${digest}?signature=s`;
    registry.guard = (request, response) => {
      if (request.headers.authorization !== undefined) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      return true;
    };
    const own = ownEndpoint(parseReference(`${registry.host}/app:1`));
    await using images = await pull([`${registry.host}/app:1`], {
      endpoints: [{ ...own, headers: { 'x-secret': 'of the registry' } }],
      credentials: [{ kind: 'password', username: 'u', password: 'p' }],
    });
    registry.faults.push(refuse(/blobs/, 307, { location }));
    expect(await readAll(images, digest, 10)).toEqual(layer.bytes.subarray(10));
    const [seen] = store.requests;
    expect(seen?.path).toContain('signature=s');
    expect(seen?.headers.range).toBe('bytes=10-');
    expect(seen?.headers).not.toHaveProperty('authorization');
    expect(seen?.headers).not.toHaveProperty('x-secret');
    expect(registry.requests.at(-1)?.headers).toMatchObject({ 'x-secret': 'of the registry' });
  });

  it('do not let the store ask for the password of the registry', async () => {
    await using store = await startFakeRegistry({ tags });
    await using registry = await startFakeRegistry({ tags });
    const challenge = `Bearer realm="${store.url}/token",service="x", Basic realm="x"`;
    store.guard = (_, response) => {
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    };
    await using images = await pull([`${registry.host}/app:1`], {
      credentials: [{ kind: 'password', username: 'u', password: 'p' }],
    });
    const location = `http://${store.host}/v2/app/blobs/${digest}`;
    registry.faults.push(refuse(/blobs/, 307, { location }), refuse(/blobs/, 307, { location }));
    // The third time the registry gives it itself
    expect(await readAll(images, digest)).toEqual(layer.bytes);
    expect(store.paths()).toEqual(Array.from({ length: 2 }, () => `/v2/app/blobs/${digest}`));
    expect(JSON.stringify(store.requests)).not.toContain('authorization');
  });

  it('do not carry a secret back to the registry at the word of the store', async () => {
    await using store = await startFakeRegistry({ tags });
    await using registry = await startFakeRegistry({ tags });
    registry.guard = (request, response) => {
      if (request.headers.authorization !== undefined) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      return true;
    };
    await using images = await pull([`${registry.host}/app:1`], {
      credentials: [{ kind: 'password', username: 'u', password: 'p' }],
    });
    const path = `/v2/app/blobs/${digest}`;
    registry.faults.push(refuse(/blobs/, 307, { location: `${store.url}${path}` }));
    store.faults.push(refuse(/blobs/, 307, { location: `${registry.url}${path}?back` }));
    expect(await readAll(images, digest)).toEqual(layer.bytes);
    const back = registry.requests.filter((request) => request.path.endsWith('?back'));
    expect(back).toHaveLength(1);
    expect(back[0]?.headers).not.toHaveProperty('authorization');
  });

  it('do not tell what another server says, which may be one that only this machine reaches', async () => {
    await using inner = await startFakeRegistry();
    await using registry = await startFakeRegistry({ tags });
    inner.guard = (_, response) => {
      response.writeHead(400).end(JSON.stringify({ errors: [{ message: 'inner words' }] }));
      return true;
    };
    registry.faults.push(refuse(/manifests/, 307, { location: `${inner.url}/latest/meta-data` }));
    await using images = await pull([`${registry.host}/app:1`]);
    expect(images.failed).toMatchObject([{ code: 'registry_failed' }]);
    expect(JSON.stringify(images.failed.map(({ message }) => message))).not.toContain('inner words');
  });

  it('lose the password that stands in an address', async () => {
    await using store = await startFakeRegistry({ tags });
    await using registry = await startFakeRegistry({ tags });
    await using images = await pull([`${registry.host}/app:1`]);
    const location = `http://me:very-secret@${store.host}/v2/app/blobs/${digest}`;
    registry.faults.push(refuse(/blobs/, 307, { location }));
    expect(await readAll(images, digest)).toEqual(layer.bytes);
    expect(JSON.stringify(store.requests)).not.toMatch(/authorization|very-secret/);
  });

  it('are not followed for ever, nor to what is no web server', async () => {
    await using registry = await startFakeRegistry({ tags });
    for (let i = 0; i < 10; i += 1)
      registry.faults.push(
        refuse(/manifests/, 302, { location: `http://${registry.host}/v2/app/manifests/1` }),
      );
    await using round = await pull([`${registry.host}/app:1`]);
    expect(round.failed).toMatchObject([
      { code: 'registry_failed', message: expect.stringContaining('without end') },
    ]);
    registry.faults.length = 0;
    for (const location of ['file:///etc/passwd', 'not an address', '']) {
      registry.faults.push(refuse(/manifests/, 302, location === '' ? {} : { location: `${location}` }));
      await using images = await pull([`${registry.host}/app:1`]);
      if (location !== 'not an address') expect(images.failed).toMatchObject([{ code: 'registry_failed' }]);
      else expect(images.failed).toMatchObject([{ code: 'image_unknown' }]);
    }
  });
});

describe('several endpoints', () => {
  it('are asked in their order, the next where one does not have it, or is down', async () => {
    await using empty = await startFakeRegistry();
    await using full = await startFakeRegistry({ tags });
    const reference = parseReference('registry.example.com/app:1');
    const at = (host: string) => ({
      ...ownEndpoint(reference),
      url: `http://${host}/v2`,
      mirrorOf: 'registry.example.com',
    });
    await using images = await pull(['registry.example.com/app:1'], {
      endpoints: [at(empty.host), at('127.0.0.1:1'), at(full.host)],
    });
    expect(images.images).toMatchObject([{ name: 'registry.example.com/app:1' }]);
    expect(empty.paths()).toContain('/v2/app/manifests/1?ns=registry.example.com');
    expect(await readAll(images, digest)).toEqual(layer.bytes);
  });

  it('are all named where none of them has it', async () => {
    await using empty = await startFakeRegistry();
    await using images = await pullFrom('127.0.0.1:1', empty.host);
    expect(images.failed).toMatchObject([
      { code: 'image_unknown', context: { tried: ['127.0.0.1:1', empty.host] } },
    ]);
    expect(images.failed[0]?.message).toContain('127.0.0.1:1 (registry_unreachable)');
  });

  it('are asked to go on with a blob before one that refuses to is read from its start', async () => {
    await using first = await startFakeRegistry({ tags });
    await using second = await startFakeRegistry({ tags });
    await using images = await pullFrom(first.host, second.host);
    first.faults.push(refuse(/blobs/, 416), refuse(/blobs/, 416));
    expect(await readAll(images, digest, 1234)).toEqual(layer.bytes.subarray(1234));
    second.faults.push(refuse(/blobs/, 404));
    expect(await readAll(images, digest, 1234)).toEqual(layer.bytes.subarray(1234));
    const ranges = ({ requests }: typeof first) =>
      requests.filter(({ path }) => path.includes(digest)).map(({ headers }) => headers.range);
    expect(ranges(first)).toEqual(['bytes=1234-', 'bytes=1234-', undefined]);
    expect(ranges(second)).toEqual(['bytes=1234-', 'bytes=1234-']);
  });

  it('give the right bytes where one of them gives wrong ones, the next time', async () => {
    await using bad = await startFakeRegistry({ tags });
    await using good = await startFakeRegistry({ tags });
    await using images = await pullFrom(bad.host, good.host);
    const wrong = 'x'.repeat(layer.bytes.byteLength);
    for (let i = 0; i < 5; i += 1) bad.faults.push(refuse(/blobs/, 200, {}, wrong));
    await expect(readAll(images, digest)).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect(await readAll(images, digest)).toEqual(layer.bytes);
  });
});

describe('a proxy', () => {
  it('is asked for what a registry has, where one is on the way', async () => {
    await using registry = await startFakeRegistry({ tags });
    await using proxy = await startProxy();
    await using images = await pull([`${registry.host}/app:1`], { proxyOf: () => proxy.url });
    expect(images.failed).toEqual([]);
    expect(await readAll(images, digest)).toEqual(layer.bytes);
    expect(proxy.asked[0]).toBe(`${registry.url}/v2/app/manifests/1`);
  });

  it.each([
    ['a tunnel', 'https' as const],
    ['a request', 'http' as const],
  ])('is told to refuse %s, without the password that it was shown', async (_, scheme) => {
    const refusal = 'HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n';
    await using server = await startRaw((socket) => void socket.end(refusal));
    const proxy = server.url.replace('//', '//me:very-secret@');
    await using images = await pull(['registry.example.com/app'], { proxyOf: () => proxy, scheme });
    expect(images.failed).toMatchObject([
      {
        code: 'registry_unreachable',
        message: 'registry.example.com cannot be reached: the proxy in between refuses (407)',
      },
    ]);
    expect(toldOf(images.failed)).not.toMatch(/very-secret|bWU6dmVye/);
  });

  it('has to be one, and is not told where it is none: its address may hold a password', async () => {
    for (const proxy of ['socks5://me:secret@p:1', 'http://me:secret%@p:1', 'http://p:99999/secret']) {
      await using images = await pull(['registry.example.com/app'], { proxyOf: () => proxy });
      expect(images.failed).toMatchObject([{ code: 'config_invalid' }]);
      expect(toldOf(images.failed)).not.toContain('secret');
    }
  });
});
