import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import { digestOf } from '../../src/image/digest.ts';
import {
  digestReference,
  familiarReference,
  formatReference,
  isReference,
  parseReference,
  type Reference,
} from '../../src/image/reference.ts';

const digest = digestOf('content');

describe('a reference is normalised as Docker and Kubernetes do:', () => {
  it.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.27', 'docker.io/library/nginx:1.27'],
    ['library/nginx', 'docker.io/library/nginx:latest'],
    ['grafana/grafana:11', 'docker.io/grafana/grafana:11'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/grafana/grafana', 'docker.io/grafana/grafana:latest'],
    ['docker.io', 'docker.io/library/docker.io:latest'],
    ['localhost', 'docker.io/library/localhost:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['registry.k8s.io/pause:3.10', 'registry.k8s.io/pause:3.10'],
    ['registry:5000/team/app', 'registry:5000/team/app:latest'],
    ['team/app.v2/x', 'docker.io/team/app.v2/x:latest'],
    ['Upper/app', 'Upper/app:latest'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['[2001:db8::1]/app:1', '[2001:db8::1]/app:1'],
    ['xn--n3h.com/app', 'xn--n3h.com/app:latest'],
    ['a__b/c--d/e.f', 'docker.io/a__b/c--d/e.f:latest'],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`],
    [`nginx:1@${digest}`, `docker.io/library/nginx:1@${digest}`],
    ['app:_Tag.with-all_3', 'docker.io/library/app:_Tag.with-all_3'],
    [`app:${'t'.repeat(128)}`, `docker.io/library/app:${'t'.repeat(128)}`],
  ])('%s is %s', (text, whole) => {
    expect(formatReference(parseReference(text))).toBe(whole);
  });
});

describe('it is not read from', () => {
  it.each([
    [''],
    [' nginx'],
    ['nginx '],
    ['nginx\n'],
    ['Nginx'],
    ['docker.io/'],
    ['/app'],
    ['app/'],
    ['a//b'],
    ['-app'],
    ['app-'],
    ['a___b'],
    ['a..b/c'],
    ['app:'],
    ['app:-tag'],
    [`app:${'t'.repeat(129)}`],
    ['app:tag:tag'],
    ['app@'],
    ['app@sha256:1234'],
    [`app@${digest}@${digest}`],
    [`@${digest}`],
    ['https://registry.example.com/app'],
    ['registry.example.com:port/app'],
    ['-registry.example.com/app'],
    ['registry.example.com/App'],
    ['[::1/app'],
    ['../../etc/passwd'],
    ['a/../b'],
    [digest.slice('sha256:'.length)],
    [`registry.example.com/${'a'.repeat(240)}`],
  ])('%j', (text) => {
    expect(isReference(text)).toBe(false);
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'reference_invalid' }));
  });

  it('arbitrary text with any other error', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.string({ unit: fc.constantFrom(...'aA0.:/@[]-_'), maxLength: 300 }),
    );
    fc.assert(
      fc.property(anything, (text) => {
        try {
          parseReference(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ImgctlError);
          expect(error).toMatchObject({ code: 'reference_invalid' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('long text slowly', () => {
    const started = performance.now();
    for (const unit of ['a', 'a-', 'a.', '-', 'A', 'a/', '__', '0:']) isReference(`${unit.repeat(100_000)}!`);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

const word = fc.oneof(
  fc.stringMatching(/^[a-z0-9]{1,8}$/),
  fc.constantFrom('localhost', 'library', 'docker'),
);
const component = fc
  .tuple(word, fc.array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '---'), word), { maxLength: 2 }))
  .map(([first, rest]) => first + rest.flat().join(''));
const registry = fc.constantFrom(
  'docker.io',
  'localhost',
  'localhost:5000',
  'ghcr.io',
  '[::1]:5000',
  'UPPER',
  'r:1',
);
const reference: fc.Arbitrary<Reference> = fc
  .record({
    registry,
    components: fc.array(component, { minLength: 1, maxLength: 4 }),
    tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/), { nil: undefined }),
    digest: fc.option(
      fc.string().map((text) => digestOf(text)),
      { nil: undefined },
    ),
  })
  // What no text means: a repository of the Hub has two components or more, and there is a tag or a digest
  .map(({ registry, components, tag, digest }) => ({
    registry,
    repository:
      registry === 'docker.io' && components.length === 1 ? `library/${components[0]}` : components.join('/'),
    ...(tag === undefined && digest === undefined ? { tag: 'latest' } : tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }));

describe('a reference', () => {
  it('is read back from its whole name', () => {
    fc.assert(
      fc.property(reference, (value) => {
        expect(parseReference(formatReference(value))).toEqual(value);
      }),
    );
  });

  it('is read back from its familiar name', () => {
    fc.assert(
      fc.property(reference, (value) => {
        expect(parseReference(familiarReference(value))).toEqual(value);
      }),
    );
  });

  it('is normalised once and for all', () => {
    fc.assert(
      fc.property(reference, (value) => {
        const whole = formatReference(value);
        expect(formatReference(parseReference(whole))).toBe(whole);
      }),
    );
  });

  it.each([
    ['nginx', 'nginx:latest'],
    ['docker.io/library/nginx:1', 'nginx:1'],
    ['docker.io/grafana/grafana:11', 'grafana/grafana:11'],
    ['registry.k8s.io/pause:3.10', 'registry.k8s.io/pause:3.10'],
    ['docker.io/library/a/b:1', 'library/a/b:1'],
    // Without the host these would be read as hosts themselves
    ['docker.io/foo.bar/app:1', 'docker.io/foo.bar/app:1'],
    ['docker.io/localhost/app:1', 'docker.io/localhost/app:1'],
  ])('%s is %s to people', (text, familiar) => {
    expect(familiarReference(parseReference(text))).toBe(familiar);
  });

  it('by digest has no tag, as pods name it', () => {
    expect(digestReference(parseReference('nginx:1'), digest)).toBe(`docker.io/library/nginx@${digest}`);
  });
});
