import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCredentialDocument } from '../../../src/config/credentials/credential-document.ts';
import { globMatches } from '../../../src/config/credentials/glob.ts';
import { matchingEntries } from '../../../src/config/credentials/matching-entries.ts';

const auth = Buffer.from('u:p').toString('base64');

/** The keys that match, in their order. */
function keysFor(keys: readonly string[], repository: string): string[] {
  const auths = Object.fromEntries(keys.map((key) => [key, { auth }]));
  const document = parseCredentialDocument(JSON.stringify({ auths }), 'config.json');
  return matchingEntries(document?.entries ?? [], repository).map(({ key }) => key);
}

/** Worked out from what the kubelet documents, and from its own rules for what Docker writes. */
describe('the entries of a config.json that are for an image', () => {
  it.each<[key: string, repository: string, matches: boolean]>([
    ['registry.io', 'registry.io/a', true],
    ['https://registry.io', 'registry.io/a', true],
    ['http://registry.io', 'registry.io/a', true],
    ['https://registry.io/v1/', 'registry.io/a', true],
    ['https://registry.io/v2/team', 'registry.io/team/a', true],
    ['registry.io/', 'registry.io/a', true],
    ['registry.io', 'other.io/a', false],
    ['registry.io', 'registry.io:5000/a', false],
    ['registry.io:5000', 'registry.io:5000/a', true],
    ['registry.io:5000', 'registry.io/a', false],
    ['registry.io:443', 'registry.io/a', false],
    ['registry.io:*', 'registry.io:5000/a', false],
    ['*.registry.io', 'a.registry.io/x', true],
    ['*.registry.io', 'registry.io/x', false],
    ['*.registry.io', 'a.b.registry.io/x', false],
    ['*.*.registry.io', 'a.b.registry.io/x', true],
    ['*.io', 'registry.io/x', true],
    ['*', 'registry.io/x', false],
    ['*', 'localhost/x', true],
    ['*', 'localhost:5000/x', false],
    ['reg*.io', 'registry.io/x', true],
    ['r?gistry.io', 'registry.io/x', true],
    ['r[a-e]gistry.io', 'registry.io/x', true],
    ['r[^a-e]gistry.io', 'registry.io/x', false],
    ['registry.*', 'registry.io/x', true],
    ['registry.io/team', 'registry.io/team/a', true],
    ['registry.io/team', 'registry.io/teamwork/a', true],
    ['registry.io/team/', 'registry.io/teamwork/a', false],
    ['registry.io/team/a', 'registry.io/team', false],
    ['registry.io/*', 'registry.io/team', false],
    ['Registry.io', 'registry.io/a', false],
    ['registry.io\\', 'registry.io/a', false],
    ['[registry.io', 'registry.io/a', false],
    ['[::1]:5000', '[::1]:5000/a', true],
    ['[::1]:5000', '[::2]:5000/a', false],
    ['docker.io', 'docker.io/library/nginx', true],
    ['docker.io/library', 'docker.io/library/nginx', true],
    ['https://index.docker.io/v1/', 'docker.io/library/nginx', true],
    ['index.docker.io', 'docker.io/library/nginx', true],
    ['index.docker.io', 'index.docker.io/library/nginx', true],
    ['index.docker.io', 'nginx', true],
    ['index.docker.io', 'team/app', true],
    ['index.docker.io', 'ghcr.io/team/app', false],
    ['index.docker.io', 'localhost:5000/app', false],
    ['registry-1.docker.io', 'docker.io/library/nginx', false],
  ])('%s, for %s: %s', (key, repository, matches) => {
    expect(keysFor([key], repository)).toHaveLength(matches ? 1 : 0);
  });

  it('are all that match, the most special path first', () => {
    const keys = ['*.io', 'a.io', 'a.io/team', 'a.io/team/app', 'b.io', 'a.io/x'];
    expect(keysFor(keys, 'a.io/team/app')).toEqual(['a.io/team/app', 'a.io/team', 'a.io', '*.io']);
  });

  it("are Docker Hub's own only where no other matches", () => {
    const keys = ['https://index.docker.io/v1/', 'docker.io'];
    expect(keysFor(keys, 'docker.io/library/nginx')).toEqual(['docker.io']);
  });

  // What Docker writes behind a host is no path
  const label = fc.stringMatching(/^[a-z0-9]{1,8}$/).filter((text) => !/^v[12]$/.test(text));
  const image = fc.record({
    host: fc.array(label, { minLength: 1, maxLength: 4 }),
    port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
    path: fc.array(label, { minLength: 1, maxLength: 3 }),
  });
  const nameOf = (host: readonly string[], port: number | undefined, path: readonly string[]) =>
    `${host.join('.')}${port === undefined ? '' : `:${port}`}${path.map((part) => `/${part}`).join('')}`;

  it('match whatever parts of the host became globs, and however much of the path was left out', () => {
    fc.assert(
      fc.property(
        image,
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 4, maxLength: 4 }),
        fc.nat(3),
        (target, ways, length) => {
          const globs = target.host.map((part, i) => {
            const way = ways[i];
            if (way === 0) return '*';
            if (way === 1) return `${part.slice(0, 1)}*`;
            if (way === 2) return '?'.repeat(part.length);
            if (way === 3) return `[${part.slice(0, 1)}]${part.slice(1)}`;
            return part;
          });
          const key = nameOf(globs, target.port, target.path.slice(0, length));
          // A key that begins with a bracket is an address to whoever reads it as one
          expect(keysFor([key], nameOf(target.host, target.port, target.path))).toHaveLength(1);
        },
      ),
    );
  });

  it('do not match with another port, more or fewer parts, or a path that goes on otherwise', () => {
    fc.assert(
      fc.property(image, label, ({ host, port, path }, more) => {
        const name = nameOf(['r', ...host], port, path);
        const others = [
          nameOf(['r', ...host], (port ?? 0) + 1, path),
          nameOf(['*', 'r', ...host], port, []),
          nameOf(host.length > 1 ? ['*', ...host.slice(1), 'x', 'y'] : ['*'], port, []),
          nameOf(['r', ...host], port, [...path, more]),
          nameOf(['r', ...host], port, [`${path[0]}-`]),
        ];
        expect(keysFor(others, name)).toEqual([]);
      }),
    );
  });
});

describe('a glob', () => {
  it('takes no longer for patterns that are made to take long', () => {
    expect(globMatches(`${'*a'.repeat(60)}b`, 'a'.repeat(250))).toBe(false);
    expect(globMatches(`${'*a'.repeat(60)}*`, 'a'.repeat(250))).toBe(true);
  });

  it.each([
    ['', '', true],
    ['', 'a', false],
    ['**', 'abc', true],
    ['a**c', 'abbc', true],
    ['[a-cx]', 'x', true],
    ['[a-cx]', 'd', false],
    ['[\\]]', ']', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['[]', 'a', false],
    ['[a-]', 'a', false],
    ['a.c', 'abc', false],
  ])('%s, for %s: %s', (glob, text, matches) => {
    expect(globMatches(glob, text)).toBe(matches);
  });
});
