import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { registriesEndpoints } from '../../../src/config/registries/registries-endpoints.ts';
import { parseRegistriesFile } from '../../../src/config/registries/registries-file.ts';
import { rewritten } from '../../../src/config/registries/rewrite.ts';
import { parseReference } from '../../../src/image/reference.ts';

const path = '/etc/rancher/k3s/registries.yaml';
const endpointsOf = (yaml: string, ref: string) =>
  registriesEndpoints(parseRegistriesFile(yaml, path), parseReference(ref));
const where = (yaml: string, ref: string) =>
  endpointsOf(yaml, ref).map(({ url, repository }) => `${url} ${repository}`);

describe('registries.yaml', () => {
  it('names mirrors in their order, and the registry itself comes last', () => {
    const yaml = `
mirrors:
  docker.io:
    endpoint: [mirror.example.com, "http://other.example.com:5000", "https://third.example.com/hub/"]
`;
    expect(where(yaml, 'nginx')).toEqual([
      'https://mirror.example.com/v2 library/nginx',
      'http://other.example.com:5000/v2 library/nginx',
      'https://third.example.com/hub library/nginx',
      'https://registry-1.docker.io/v2 library/nginx',
    ]);
    expect(where(yaml, 'ghcr.io/a/b')).toEqual(['https://ghcr.io/v2 a/b']);
    expect(where('', 'nginx')).toEqual(['https://registry-1.docker.io/v2 library/nginx']);
  });

  it('has mirrors for all that have none of their own', () => {
    const yaml = `
mirrors:
  "*": {endpoint: [everything.example.com]}
  quay.io: {endpoint: []}
`;
    expect(where(yaml, 'ghcr.io/a/b')).toEqual([
      'https://everything.example.com/v2 a/b',
      'https://ghcr.io/v2 a/b',
    ]);
    expect(where(yaml, 'quay.io/a/b')[0]).toBe('https://everything.example.com/v2 a/b');
    const known = `${yaml}configs: {quay.io: {auth: {username: a}}}`;
    expect(where(known, 'quay.io/a/b')).toEqual(['https://quay.io/v2 a/b']);
  });

  it('rewrites names for mirrors, not for the registry itself', () => {
    const yaml = `
mirrors:
  docker.io:
    endpoint: [m.example.com]
    rewrite: {"^library/(?P<name>.*)": "hub/\${name}", "^(.*)/(.*)$": "all/$1-$2"}
`;
    expect(where(yaml, 'nginx:1')).toEqual([
      'https://m.example.com/v2 hub/nginx',
      'https://registry-1.docker.io/v2 library/nginx',
    ]);
    expect(where(yaml, 'team/app')[0]).toBe('https://m.example.com/v2 all/team-app');
  });

  it('says who one is to a server, and how it is verified, by its host', () => {
    const yaml = `
mirrors:
  docker.io: {endpoint: ["https://m.example.com:5000"]}
configs:
  "m.example.com:5000":
    auth: {username: me, password: secret}
    tls: {ca_file: /etc/ca.pem, cert_file: own.pem, key_file: own.key, insecure_skip_verify: true}
  docker.io:
    auth: {auth: ${Buffer.from('hub:pass:word').toString('base64')}}
  ghcr.io:
    auth: {identity_token: refresh}
`;
    const [mirror, hub] = endpointsOf(yaml, 'nginx');
    expect(mirror).toMatchObject({
      account: 'm.example.com:5000/library/nginx',
      mirrorOf: 'docker.io',
      auth: { kind: 'password', username: 'me', password: 'secret' },
      tlsFiles: {
        ca: ['/etc/ca.pem'],
        client: ['/etc/rancher/k3s/own.pem', '/etc/rancher/k3s/own.key'],
        skipVerify: true,
      },
    });
    expect(hub).toMatchObject({
      account: 'docker.io/library/nginx',
      auth: { username: 'hub', password: 'pass:word' },
    });
    expect(hub?.mirrorOf).toBeUndefined();
    expect(endpointsOf(yaml, 'ghcr.io/a/b')[0]).toMatchObject({
      auth: { kind: 'identity', token: 'refresh' },
    });
  });

  it("has Docker Hub's settings under either of its names, its host's first", () => {
    const auth = (username: string) => `{auth: {username: ${username}}}`;
    const host = `registry-1.docker.io: ${auth('host')}`;
    const both = `configs: {docker.io: ${auth('name')}, ${host}}`;
    expect(endpointsOf(`configs: {${host}}`, 'nginx')[0]).toMatchObject({ auth: { username: 'host' } });
    expect(endpointsOf(both, 'nginx')[0]).toMatchObject({ auth: { username: 'host' } });
  });

  it('speaks plain HTTP on this machine unless told otherwise, and nowhere else', () => {
    const mirror = (endpoint: string) => where(`mirrors: {r.io: {endpoint: ["${endpoint}"]}}`, 'r.io/a')[0];
    expect(mirror('localhost:5000')).toBe('http://localhost:5000/v2 a');
    expect(mirror('127.0.0.1:5000')).toBe('http://127.0.0.1:5000/v2 a');
    expect(mirror('localhost:443')).toBe('https://localhost:443/v2 a');
    expect(mirror('localhost')).toBe('https://localhost/v2 a');
    expect(mirror('10.0.0.1:5000')).toBe('https://10.0.0.1:5000/v2 a');
    expect(where('', 'localhost:5000/a')).toEqual(['http://localhost:5000/v2 a']);
    const verified = 'configs: {"localhost:5000": {tls: {ca_file: /ca}}}';
    expect(where(verified, 'localhost:5000/a')).toEqual(['https://localhost:5000/v2 a']);
  });

  it('has an endpoint once, says so, and passes over what is none', () => {
    const file = parseRegistriesFile(
      'mirrors: {r.io: {endpoint: [a.io, "https://a.io/v2", "https://u:secret@b.io", "ftp://c.io", "d.io/x y"]}}',
      path,
    );
    expect(file.mirrors.get('r.io')?.endpoints.map(({ url }) => url)).toEqual(['https://a.io/v2']);
    expect(file.warnings).toHaveLength(4);
    expect(file.warnings.join()).not.toContain('secret');
  });

  it.each(['m.io?', 'm.io#', 'https:\\\\m.io', 'm%2eio', '//m.io', 'https://@m.io', 'm.io:0x1'])(
    'passes over what a parser makes an address of, and is none: %s',
    (entry) => {
      const file = parseRegistriesFile(JSON.stringify({ mirrors: { 'r.io': { endpoint: [entry] } } }), path);
      expect(file.warnings).toHaveLength(1);
      expect(registriesEndpoints(file, parseReference('r.io/a')).map(({ url }) => url)).toEqual([
        'https://r.io/v2',
      ]);
    },
  );

  it('takes servers by names that no image could have', () => {
    const yaml = 'mirrors: {r.io: {endpoint: ["http://my_mirror:5000", "https://m.io//hub//"]}}';
    expect(where(yaml, 'r.io/a')).toEqual([
      'http://my_mirror:5000/v2 a',
      'https://m.io/hub a',
      'https://r.io/v2 a',
    ]);
  });

  it('reads numbers and words as K3s does: as they are written', () => {
    const yaml = `
configs:
  r.io: {auth: {username: 007, password: 1_000}, tls: {insecure_skip_verify: yes}}
  s.io: {auth: {username: me, password: true}, tls: {insecure_skip_verify: off}}
  t.io: {auth: {username: me, password: null}}
`;
    expect(endpointsOf(yaml, 'r.io/a')[0]).toMatchObject({
      auth: { username: '007', password: '1_000' },
      tlsFiles: { skipVerify: true },
    });
    expect(endpointsOf(yaml, 's.io/a')[0]).toMatchObject({
      auth: { username: 'me', password: 'true' },
      tlsFiles: { ca: [] },
    });
    expect(endpointsOf(yaml, 's.io/a')[0]?.tlsFiles).not.toHaveProperty('skipVerify');
    expect(endpointsOf(yaml, 't.io/a')[0]).toMatchObject({ auth: { username: 'me', password: '' } });
    const wrong = 'configs: {r.io: {tls: {insecure_skip_verify: maybe}}}';
    expect(() => endpointsOf(wrong, 'r.io/a')).toThrow(/1:46: configs.r.io.tls.insecure_skip_verify/);
  });

  it('says which of its entries mean nothing, and no secret', () => {
    const yaml = `
mirrors:
  "../../etc": {endpoint: [m.io]}
  "https://r.io": {endpoint: [m.io]}
configs:
  "https://m.io": {auth: {username: me, password: very-secret}}
  n.io: {auth: {auth: dmVyeS1zZWNyZXQ=}}
  my_mirror:5000: {auth: {username: me, password: very-secret}}
  "*": {tls: {}}
`;
    const { warnings } = parseRegistriesFile(yaml, path);
    expect(warnings.map((warning) => warning.split(': ')[0])).toEqual([
      'mirrors.../../etc',
      'mirrors.https://r.io',
      'configs.https://m.io',
      'configs.n.io.auth.auth',
    ]);
    expect(warnings.join()).not.toMatch(/very-secret|dmVy/);
  });

  it('prefers a name and a password to a token, as containerd does', () => {
    const yaml = 'configs: {r.io: {auth: {username: me, password: p, identity_token: t}}}';
    expect(endpointsOf(yaml, 'r.io/a')[0]).toMatchObject({ auth: { kind: 'password' } });
  });

  it('asks the registry itself by its own names last, though the mirrors of all others name it', () => {
    const yaml = 'mirrors: {"*": {endpoint: [m.io, r.io], rewrite: {"^": "l/"}}}';
    expect(where(yaml, 'r.io/a')).toEqual([
      'https://m.io/v2 l/a',
      'https://r.io/v2 l/a',
      'https://r.io/v2 a',
    ]);
  });

  it('may name the registry itself as the last endpoint', () => {
    const yaml = 'mirrors: {docker.io: {endpoint: [m.io, docker.io], rewrite: {"^library/": "l/"}}}';
    expect(where(yaml, 'nginx')).toEqual([
      'https://m.io/v2 l/nginx',
      'https://registry-1.docker.io/v2 l/nginx',
    ]);
  });

  it.each([
    ['mirrors: [a]', ':1:10: mirrors'],
    ['mirrors:\n  a.io:\n    endpoint: b.io', ':3:15: mirrors.a.io.endpoint'],
    ['configs:\n  a.io:\n    auth:\n      password: {s: cret}', ':4:7: configs.a.io.auth.password'],
    ['mirrors:\n  a.io:\n    rewrite:\n      "(": x', ':4:7: mirrors.a.io.rewrite.('],
    ['mirrors: {', ':1:'],
  ])('is refused where it is wrong, with the place: %j', (yaml, place) => {
    let told = '';
    try {
      parseRegistriesFile(yaml, path);
    } catch (error) {
      told = String(error);
    }
    expect(told).toContain(`${path}${place}`);
    expect(told).not.toContain('cret');
  });

  it('refuses a rewrite that makes no name of a repository', () => {
    const yaml = 'mirrors: {docker.io: {endpoint: [m.io], rewrite: {"^library/": "UPPER/../"}}}';
    expect(() => endpointsOf(yaml, 'nginx')).toThrow(/no repository/);
  });

  const host = fc
    .tuple(
      fc.constantFrom('a.io', 'b.example.com', 'docker.io', '10.1.2.3', 'localhost'),
      fc.option(fc.integer({ min: 1, max: 65535 })),
    )
    .map(([name, port]) => (port === null ? name : `${name}:${port}`));
  const endpoint = fc
    .tuple(
      fc.constantFrom('', 'http://', 'https://'),
      host,
      fc.constantFrom('', '/', '/v2', '/v2/', '/p', '/p/q/'),
    )
    .map((parts) => parts.join(''));

  it('always has the registry itself last, each server once, and plain HTTP only where it is written or at home', () => {
    fc.assert(
      fc.property(fc.array(endpoint, { maxLength: 6 }), host, fc.boolean(), (entries, registry, isAny) => {
        const yaml = JSON.stringify({ mirrors: { [isAny ? '*' : registry]: { endpoint: entries } } });
        const endpoints = endpointsOf(yaml, `${registry}/team/app`);
        const urls = endpoints.map(({ url }) => url);
        const [own] = endpointsOf('', `${registry}/team/app`).map(({ url }) => url);
        expect(urls.at(-1)).toBe(own);
        const listed = urls.slice(0, -1);
        expect(new Set(listed).size).toBe(listed.length);
        for (const { url, mirrorOf } of endpoints) {
          expect(url).toMatch(/^https?:\/\/[^/]+(\/[^/]+)+$/);
          if (url.startsWith('http:') && !/^http:\/\/(localhost|127\.)/.test(url))
            expect(entries.some((entry) => entry.startsWith('http://'))).toBe(true);
          expect(mirrorOf === undefined || mirrorOf === registry).toBe(true);
        }
      }),
    );
  });
});

describe('a rewrite', () => {
  it.each([
    ['a/b', '^a/(.*)', 'x/$1', 'x/b'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Go writes groups so
    ['a/b', '^(a)/(.*)', '$2/${1}1', 'b/a1'],
    ['a/b', '^(a)/(.*)', '$2/$1x', 'b/'],
    ['a/b', '/', '-$$-', 'a-$-b'],
    ['aXbXc', 'X', '/', 'a/b/c'],
    ['abc', '', '-', '-a-b-c-'],
    ['abc', 'b*', '-', '-a-c-'],
    ['library/nginx', '(?i)^LIBRARY/', '', 'nginx'],
    ['a/b', 'c', 'd', 'a/b'],
  ])('of %s, %s to %s, is that of Go: %s', (name, pattern, replacement, expected) => {
    expect(rewritten(name, [{ pattern, replacement }])).toBe(expected);
  });

  it('takes no longer for what other engines take for ever for', () => {
    expect(rewritten('a'.repeat(200), [{ pattern: '^(a+)+$x', replacement: '' }])).toBe('a'.repeat(200));
  });
});
