import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RegistryFinder } from '../../src/bundle/registry-finder.ts';
import { parseReference } from '../../src/image/reference.ts';
import { type Credential, ownEndpoint } from '../../src/image/registry-endpoint.ts';
import { parseChallenges } from '../../src/registry/challenge.ts';
import { retryAfterMs } from '../../src/registry/retry-after.ts';
import { randomImage } from '../support/archives.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/registry/fake-registry.ts';
import { pull, readAll, toldOf } from './pulled.ts';

const image = await randomImage({ layers: 2, seed: 'tokens' });
const me: Credential = { kind: 'password', username: 'me', password: 'right-pass' };
const stranger: Credential = { kind: 'password', username: 'me', password: 'wrong-pass' };

/** A registry that wants a token, and its token server at the same address, as clouds have them. */
describe('a registry that wants a token', () => {
  let registry: FakeRegistry;
  /** Tokens that it takes. */
  let valid: Set<string>;
  /** What the token server gives to whom; undefined: nothing. */
  let grant: (authorization: string | undefined, body: string) => object | undefined;
  let given: number;

  beforeEach(async () => {
    registry = await startFakeRegistry({ tags: { 'team/app:1': image, 'other:1': image } });
    valid = new Set();
    given = 0;
    const basic = `Basic ${Buffer.from('me:right-pass').toString('base64')}`;
    grant = (authorization) => (authorization === basic ? { token: fresh(), expires_in: 300 } : undefined);
    registry.guard = (request, response, body) => {
      if (request.url?.startsWith('/token')) {
        const token = grant(request.headers.authorization, body);
        response.writeHead(token === undefined ? 401 : 200).end(JSON.stringify(token ?? {}));
        return true;
      }
      if (valid.has(request.headers.authorization?.replace('Bearer ', '') ?? '')) return false;
      const challenge = `Bearer realm="${registry.url}/token",service="fake",scope="repository:x:pull",error="invalid_token"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return true;
    };
  });

  afterEach(() => registry[Symbol.asyncDispose]());

  function fresh(): string {
    given += 1;
    valid.add(`token-${given}`);
    return `token-${given}`;
  }

  const ref = () => `${registry.host}/team/app:1`;
  const asked = () => registry.paths().filter((path) => path.startsWith('/token'));

  it('is given one for its repository, and the same for all that is read there', async () => {
    await using images = await pull([ref()], { credentials: [me] });
    for (const { descriptor, bytes } of image.blobs)
      expect(await readAll(images, descriptor.digest)).toEqual(bytes);
    expect(asked()).toEqual(['/token?service=fake&scope=repository%3Ateam%2Fapp%3Apull']);
  });

  it('is given one for each repository', async () => {
    await using images = await pull([ref(), `${registry.host}/other:1`], { credentials: [me] });
    expect(images.failed).toEqual([]);
    expect(asked().map((path) => new URLSearchParams(path.slice(7)).get('scope'))).toEqual([
      'repository:team/app:pull',
      'repository:other:pull',
    ]);
  });

  it('gives one for all images of a repository that are looked up one after the other', async () => {
    await using finder = new RegistryFinder(
      { endpointsOf: async (reference) => [ownEndpoint(reference)], credentialsOf: async () => [me] },
      { choice: { kind: 'all' }, signatures: false },
    );
    const find = async (name: string) => {
      const { target, source } = await finder.find(parseReference(name));
      await readAll(source, target.digest);
    };
    await find(ref());
    const connections = new Set(registry.requests.map(({ port }) => port));
    const before = registry.requests.length;
    await find(`${registry.host}/team/app@${image.target.digest}`);
    expect(asked()).toHaveLength(1);
    for (const { port } of registry.requests.slice(before)) expect(connections).toContain(port);
  });

  it('is given one that everybody may have, where there is no password, or an old one', async () => {
    grant = (authorization) => (authorization === undefined ? { access_token: fresh() } : undefined);
    for (const credentials of [[], [stranger]]) {
      await using images = await pull([ref()], { credentials });
      expect(images.failed).toEqual([]);
    }
  });

  it('is given one by the first password that its server takes', async () => {
    await using images = await pull([ref()], { credentials: [stranger, { ...stranger, username: 'a' }, me] });
    expect(images.failed).toEqual([]);
    expect(asked()).toHaveLength(3);
  });

  it('is given a new one when it takes the old one no more', async () => {
    await using images = await pull([ref()], { credentials: [me] });
    valid.clear();
    const [first] = image.layers;
    expect(await readAll(images, first?.descriptor.digest ?? image.target.digest)).toEqual(first?.bytes);
    expect(given).toBe(2);
  });

  it('is waited for where its token server is overloaded for a moment', async () => {
    const guard = registry.guard;
    let busy = 2;
    registry.guard = (request, response, body) => {
      if (!request.url?.startsWith('/token') || busy === 0) return guard?.(request, response, body) ?? false;
      busy -= 1;
      response.writeHead(busy === 1 ? 429 : 503).end();
      return true;
    };
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toEqual([]);
    expect(busy).toBe(0);
  });

  it('is given one for a refresh token, which nobody else sees', async () => {
    grant = (_, body) => {
      const form = new URLSearchParams(body);
      const right = form.get('grant_type') === 'refresh_token' && form.get('refresh_token') === 'refresh-me';
      return right && form.get('scope') === 'repository:team/app:pull'
        ? { access_token: fresh() }
        : undefined;
    };
    await using images = await pull([ref()], { credentials: [{ kind: 'identity', token: 'refresh-me' }] });
    expect(images.failed).toEqual([]);
    const others = registry.requests.filter(({ path }) => !path.startsWith('/token'));
    expect(JSON.stringify(others)).not.toContain('refresh-me');
    expect(asked()).toEqual(['/token']);
  });

  it('takes a token of its own as it is', async () => {
    valid.add('of-the-registry');
    await using images = await pull([ref()], {
      credentials: [{ kind: 'registry', token: 'of-the-registry' }],
    });
    expect(images.failed).toEqual([]);
    expect(asked()).toEqual([]);
  });

  it('is refused by name, without a word of what was tried', async () => {
    registry.faults.length = 0;
    await using images = await pull([ref()], { credentials: [stranger] });
    expect(images.failed).toMatchObject([{ code: 'registry_unauthorized', context: { status: 401 } }]);
    expect(toldOf(images.failed)).not.toMatch(/wrong-pass|d3Jvbmct/);
  });

  it('cannot have passwords sent anywhere over plain HTTP', async () => {
    for (const realm of ['http://tokens.example.com/token', 'ftp://127.0.0.1/', 'nonsense', '']) {
      registry.guard = (_, response) => {
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` }).end();
        return true;
      };
      await using images = await pull([ref()], { credentials: [me] });
      expect(images.failed).toMatchObject([{ code: 'registry_failed' }]);
    }
  });

  it('cannot put lines of its own into the next request', async () => {
    grant = () => ({ token: 'a\r\nx-injected: 1' });
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toMatchObject([{ code: 'registry_failed' }]);
  });

  /** Sends who asks for a token on to where `to` says, once for each. */
  function tokenServerLeads(...to: readonly string[]): void {
    const guard = registry.guard;
    const left = [...to];
    registry.guard = (request, response, body) => {
      const location = request.url?.startsWith('/token') ? left.shift() : undefined;
      if (location === undefined) return guard?.(request, response, body) ?? false;
      response.writeHead(307, { location }).end();
      return true;
    };
  }

  it('may have a token server that leads on to another of its addresses', async () => {
    tokenServerLeads('/token/v2?service=fake');
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toEqual([]);
    expect(asked()).toEqual([
      '/token?service=fake&scope=repository%3Ateam%2Fapp%3Apull',
      '/token/v2?service=fake',
    ]);
    expect(given).toBe(1);
  });

  it('may have one that leads on to another server, which is not shown the password', async () => {
    await using other = await startFakeRegistry();
    other.guard = (_, response) => {
      response.end(JSON.stringify({ token: fresh() }));
      return true;
    };
    tokenServerLeads(`${other.url}/elsewhere`);
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toEqual([]);
    expect(other.paths()).toEqual(['/elsewhere']);
    expect(JSON.stringify(other.requests)).not.toMatch(/authorization|right-pass/);
  });

  it('is not shown the password again at the word of that other server', async () => {
    await using other = await startFakeRegistry();
    other.guard = (_, response) => {
      response.writeHead(302, { location: `${registry.url}/token?back` }).end();
      return true;
    };
    tokenServerLeads(other.url, other.url);
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toMatchObject([{ code: 'registry_unauthorized' }]);
    const back = registry.requests.filter(({ path }) => path === '/token?back');
    // With the password, and without
    expect(back).toHaveLength(2);
    expect(JSON.stringify(back)).not.toContain('authorization');
  });

  it('cannot lead anybody round and round, nor to where a token may not come from', async () => {
    tokenServerLeads(...Array.from({ length: 100 }, (_, i) => `/token?${i}`));
    await using round = await pull([ref()], { credentials: [me] });
    expect(round.failed).toMatchObject([
      { code: 'registry_failed', message: expect.stringContaining('without end') },
    ]);
    expect(asked().length).toBeLessThan(10);
    // That of a machine in a cloud gives tokens of its own to whoever asks from there
    for (const location of ['http://169.254.169.254/token', 'file:///etc/passwd', 'http://', ' ']) {
      tokenServerLeads(location);
      await using images = await pull([ref()], { credentials: [me] });
      expect(images.failed).toMatchObject([{ code: 'registry_failed' }]);
      expect(toldOf(images.failed)).not.toContain('right-pass');
    }
  });

  it('is told by the server that refuses, where one leads on to another', async () => {
    await using other = await startFakeRegistry();
    other.guard = (_, response) => {
      response.writeHead(501).end('inner words');
      return true;
    };
    tokenServerLeads(...Array.from({ length: 8 }, () => other.url));
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toMatchObject([
      { code: 'registry_unreachable', message: `the token server ${other.host} answered 501` },
    ]);
  });

  it('has a refresh token sent nowhere else', async () => {
    await using other = await startFakeRegistry();
    tokenServerLeads(other.url);
    await using images = await pull([ref()], { credentials: [{ kind: 'identity', token: 'refresh-me' }] });
    expect(images.failed).toMatchObject([{ code: 'registry_failed' }]);
    expect(other.requests).toEqual([]);
  });

  it('has its words told without the secrets that it sends back', async () => {
    registry.guard = (request, response) => {
      if (request.headers.authorization === undefined)
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      else {
        const message = `no: ${request.headers.authorization} right-pass`;
        response.writeHead(403).end(JSON.stringify({ errors: [{ message }] }));
      }
      return true;
    };
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toMatchObject([
      { code: 'registry_unauthorized', message: expect.stringContaining('no: Basic [credentials]') },
    ]);
    expect(toldOf(images.failed)).not.toMatch(/right-pass|bWU6cmln/);
  });

  it('has its words told without tokens that it takes no more, or what the configuration has in headers', async () => {
    const guard = registry.guard;
    registry.guard = (request, response, body) => {
      const { authorization, 'x-key': key } = request.headers;
      if (authorization === undefined || request.url?.startsWith('/token'))
        return guard?.(request, response, body) ?? false;
      response.writeHead(403).end(JSON.stringify({ errors: [{ message: `no: ${authorization} ${key}` }] }));
      return true;
    };
    const endpoint = { ...ownEndpoint(parseReference(ref())), headers: { 'x-key': 'Token of-the-file' } };
    await using images = await pull([ref()], { credentials: [me], endpoints: [endpoint] });
    expect(images.failed[0]?.message).toContain('no: Bearer [credentials]');
    expect(toldOf(images.failed)).not.toMatch(/token-1|of-the-file/);
  });

  it('is waited for as long as its token server asks', async () => {
    const guard = registry.guard;
    let busy = true;
    registry.guard = (request, response, body) => {
      if (!request.url?.startsWith('/token') || !busy) return guard?.(request, response, body) ?? false;
      busy = false;
      response.writeHead(429, { 'retry-after': '1' }).end();
      return true;
    };
    const begun = performance.now();
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toEqual([]);
    // A timer may be early by a millisecond
    expect(performance.now() - begun).toBeGreaterThan(990);
  });

  it('may have a token server that writes out what it leaves out', async () => {
    grant = () => ({ token: fresh(), access_token: null, expires_in: null });
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toEqual([]);
  });

  it('cannot have a password carried to any number of servers', async () => {
    registry.guard = (request, response) => {
      const realms = Array.from({ length: 100 }, (_, i) => `Bearer realm="${registry.url}/token/${i}"`);
      response.writeHead(401, request.url?.startsWith('/token') ? {} : { 'www-authenticate': realms }).end();
      return true;
    };
    await using images = await pull([ref()], { credentials: [me] });
    expect(images.failed).toMatchObject([{ code: 'registry_unauthorized' }]);
    // With the password, and without
    expect(asked().length).toBeLessThanOrEqual(16);
  });
});

describe('WWW-Authenticate', () => {
  it.each<[string | string[] | undefined, ReturnType<typeof parseChallenges>]>([
    [undefined, []],
    ['', []],
    ['Basic', [{ scheme: 'basic', parameters: {} }]],
    ['Basic realm="a, b"', [{ scheme: 'basic', parameters: { realm: 'a, b' } }]],
    [
      'Bearer Realm="https://x/t",service=y, scope="repository:a:pull,push"',
      [
        {
          scheme: 'bearer',
          parameters: { realm: 'https://x/t', service: 'y', scope: 'repository:a:pull,push' },
        },
      ],
    ],
    [
      ['Negotiate', 'Bearer realm = "a\\"b", Basic realm="c"'],
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'bearer', parameters: { realm: 'a"b' } },
        { scheme: 'basic', parameters: { realm: 'c' } },
      ],
    ],
    ['Bearer realm="a",realm="b"', [{ scheme: 'bearer', parameters: { realm: 'a' } }]],
    ['Bearer realm="never ends', [{ scheme: 'bearer', parameters: { realm: '' } }]],
  ])('%j is read', (header, challenges) => {
    expect(parseChallenges(header)).toEqual(challenges);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('Fri, 31 Dec 1999 23:59:00 GMT');
  it.each<[string | undefined, number | undefined]>([
    ['0', 0],
    ['120', 120_000],
    ['Fri, 31 Dec 1999 23:59:59 GMT', 59_000],
    ['Fri, 31 Dec 1998 23:59:59 GMT', 0],
    ['-1', undefined],
    ['soon', undefined],
    [undefined, undefined],
  ])('%s is %s ms', (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms);
  });
});
