import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { namedImages, readNaming } from '../../src/bundle/named-images.ts';
import { ImgctlError } from '../../src/errors.ts';
import { formatReference } from '../../src/image/reference.ts';

function names(text: string): string[] {
  return namedImages(text, 'input').map(({ reference }) => formatReference(reference));
}

function errorOf(text: string): ImgctlError {
  try {
    namedImages(text, 'app.yaml');
  } catch (thrown) {
    if (thrown instanceof ImgctlError) return thrown;
    throw thrown;
  }
  throw new Error('it was taken');
}

describe('a list of references', () => {
  it('has one a line, with comments, empty lines and any ends of lines', () => {
    const text =
      '\ufeff# base images\nnginx:1.27   # web\r\n\n  registry.example.com:5000/team/app:1.4\nredis\n#x\n';
    expect(names(text)).toEqual([
      'docker.io/library/nginx:1.27',
      'registry.example.com:5000/team/app:1.4',
      'docker.io/library/redis:latest',
    ]);
  });

  it('may name by digest', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(names(`app:1@${digest}`)).toEqual([`docker.io/library/app:1@${digest}`]);
  });

  it('is told the line that is wrong', () => {
    const error = errorOf('nginx:1.27\nNginx 1.27\n');
    expect(error.code).toBe('reference_invalid');
    expect(error.message).toMatch(/^app\.yaml:2: not an image reference: "Nginx 1\.27"/);
  });

  it('may be a list of YAML or JSON', () => {
    expect(names('- nginx:1\n- redis:2\n')).toHaveLength(2);
    expect(names('["nginx:1", "redis:2"]')).toHaveLength(2);
  });

  it('that is empty names nothing', () => {
    expect(names('')).toEqual([]);
    expect(names('# nothing yet\n')).toEqual([]);
  });
});

const pod = (...images: string[]) => ({ containers: images.map((image, i) => ({ name: `c${i}`, image })) });
const template = (...images: string[]) => ({ template: { metadata: {}, spec: pod(...images) } });

describe('Kubernetes manifests', () => {
  it.each([
    ['Pod', { spec: pod('app:1') }],
    ['Deployment', { spec: template('app:1') }],
    ['StatefulSet', { spec: template('app:1') }],
    ['DaemonSet', { spec: template('app:1') }],
    ['ReplicaSet', { spec: template('app:1') }],
    ['ReplicationController', { spec: template('app:1') }],
    ['Job', { spec: template('app:1') }],
    ['CronJob', { spec: { jobTemplate: { spec: template('app:1') } } }],
    ['PodTemplate', template('app:1')],
    ['Rollout', { spec: { strategy: {}, ...template('app:1') } }],
    ['RayCluster', { spec: { workerGroupSpecs: [{ groupName: 'w', ...template('app:1') }] } }],
  ])('name the images of a %s', (kind, rest) => {
    const document = { apiVersion: 'v1', kind, metadata: { name: 'x' }, ...rest };
    expect(names(stringify(document))).toEqual(['docker.io/library/app:1']);
    expect(names(JSON.stringify(document))).toEqual(['docker.io/library/app:1']);
    const list = { apiVersion: 'v1', kind: 'List', items: [document, structuredClone(document)] };
    expect(names(stringify(list))).toEqual(['docker.io/library/app:1', 'docker.io/library/app:1']);
  });

  it('name those of init and ephemeral containers, and those mounted as volumes', () => {
    const spec = {
      initContainers: [{ name: 'i', image: 'init:1' }],
      containers: [{ name: 'c', image: 'main:1' }],
      ephemeralContainers: [{ name: 'e', image: 'debug:1' }],
      volumes: [
        { name: 'model', image: { reference: 'models/big:1', pullPolicy: 'IfNotPresent' } },
        { name: 'tmp', emptyDir: {} },
      ],
    };
    expect(names(stringify({ kind: 'Pod', spec }))).toEqual([
      'docker.io/library/init:1',
      'docker.io/library/main:1',
      'docker.io/library/debug:1',
      'docker.io/models/big:1',
    ]);
  });

  it('are several documents, with comments of Helm, of which those without images need not even be right', () => {
    const text = [
      '---',
      '# Source: shop/templates/config.yaml',
      'kind: ConfigMap',
      'data:',
      '  script: |',
      '    --- not a document',
      '    tab:\there: [',
      '--- # Source: shop/templates/web.yaml',
      stringify({ kind: 'Deployment', spec: template('web:1') }),
      '---',
      'kind: Broken',
      'a: b: c: [',
      '---',
      '',
      '...',
      '---',
      stringify({ kind: 'Job', spec: template('job:1') }),
    ].join('\n');
    expect(names(text)).toEqual(['docker.io/library/web:1', 'docker.io/library/job:1']);
  });

  it('may use tags, merges and aliases, and name a key twice', () => {
    const text = `
base: &base
  name: a
  image: base:1
kind: Deployment
kind: Deployment
spec:
  replicas: !Custom 3
  template:
    spec:
      containers:
        - <<: *base
        - <<: *base
          image: over:1
`;
    expect(names(text)).toEqual(['docker.io/library/base:1', 'docker.io/library/over:1']);
  });

  it('are not looked for images elsewhere: schemas, texts, status', () => {
    const text = stringify({
      kind: 'CustomResourceDefinition',
      spec: { schema: { properties: { containers: { type: 'array', items: { image: 'string' } } } } },
      status: { containerStatuses: [{ image: 'not:1' }] },
      data: { 'pod.yaml': 'containers:\n- image: not:2\n' },
    });
    expect(names(text)).toEqual([]);
  });

  it('that are templates still are told so, with whose image it is', () => {
    const text =
      'kind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  containers:\n  - image: {{ .Values.image }}\n';
    const error = errorOf(text);
    expect(error.code).toBe('manifest_invalid');
    expect(error.hint).toContain('helm template');
    const blank = errorOf(
      stringify({ kind: 'Pod', metadata: { name: 'p', namespace: 'n' }, spec: pod('repo/app:') }),
    );
    expect(blank.message).toMatch(/^app\.yaml: Pod n\/p: not an image reference: "repo\/app:"/);
  });

  it.each(['"{{ .Values.image }}"', ['$', '{REGISTRY}/web:1'].join(''), '$(IMAGE)'])(
    'with an image that is to be filled in are told to be rendered first: %s',
    (image) => {
      const error = errorOf(`kind: Pod\nspec:\n  containers:\n  - image: ${image}\n`);
      expect(error.code).toBe('reference_invalid');
      expect(error.hint).toContain('helm template');
    },
  );

  it('may come from Windows, put one after the other, a byte order mark before each', () => {
    const document = (image: string) => `\ufeff---\nkind: Pod\nspec:\n  containers:\n  - image: ${image}\n`;
    const text = [document('a:1'), document('b:1'), '---\n', '---\n# nothing\n'].join('');
    expect(names(text.replaceAll('\n', '\r\n'))).toEqual(['docker.io/library/a:1', 'docker.io/library/b:1']);
  });

  it('may be JSON, one a line, and lists of lists', () => {
    const lines = ['a:1', 'b:1'].map((image) => JSON.stringify({ kind: 'Pod', spec: pod(image) }));
    expect(names(`${lines.join('\n')}\n`)).toEqual(['docker.io/library/a:1', 'docker.io/library/b:1']);
    const list = (...items: unknown[]) => ({ kind: 'List', items });
    const nested = list(list(list({ kind: 'Pod', spec: pod('deep:1') })), {
      kind: 'Pod',
      spec: pod('top:1'),
    });
    expect(names(stringify(nested))).toEqual(['docker.io/library/deep:1', 'docker.io/library/top:1']);
  });

  it('that are not YAML are told where, counted from the top of the file', () => {
    const error = errorOf('kind: A\n---\nkind: Pod\nspec: {containers: [{image: "a\n');
    expect(error.code).toBe('manifest_invalid');
    expect(error.message).toMatch(/^app\.yaml:[45]:\d+: /);
  });
});

describe('what is meant to harm', () => {
  it('does not take long where it is long: many documents, and one large list as JSON', () => {
    const one = `kind: Pod\nspec:\n  containers:\n  - image: app:1\n---\nkind: ConfigMap\ndata: {a: "${'x'.repeat(5000)}"}\n---\n`;
    expect(names(one.repeat(1000))).toHaveLength(1000);
    const items = Array.from({ length: 5000 }, () => ({ spec: pod('app:1'), status: 'x'.repeat(2000) }));
    expect(names(JSON.stringify({ kind: 'List', items }))).toHaveLength(5000);
  });

  it('is refused, or done in no time: aliases that multiply, and nesting without end', () => {
    const levels = Array.from({ length: 30 }, (_, i) => {
      const before = i === 0 ? 'image' : `*a${i - 1}`;
      return `a${i}: &a${i} [${Array.from({ length: 9 }, () => before).join(', ')}]`;
    });
    expect(errorOf(levels.join('\n')).code).toBe('manifest_invalid');
    expect(errorOf(`image: ${'['.repeat(200_000)}`).code).toBe('manifest_invalid');
    const deep = `${'{"a":'.repeat(5000)}{"containers":[{"image":"deep:1"}]}${'}'.repeat(5000)}`;
    expect(names(deep)).toEqual(['docker.io/library/deep:1']);
  });

  it('is refused where a document is too long, and where it is no text', async () => {
    const long = `image: x\nkeys:\n${'  - some text\n'.repeat(700_000)}`;
    expect(errorOf(long).message).toContain('a document has more than');
    const binary = (async function* () {
      yield Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
    })();
    await expect(readNaming(binary, 'bundle.tar.zst')).rejects.toMatchObject({
      code: 'manifest_invalid',
      hint: expect.stringContaining('--from-archive'),
    });
  });
});

/** Anything that has no key that would make it a pod. */
const otherKeys = fc
  .stringMatching(/^[a-z]{1,8}$/)
  .filter((key) => !['containers', 'volumes', 'kind'].includes(key));
const noise: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(otherKeys, tie('value'), { maxKeys: 3 }),
  ),
})).value;

const imageName = fc
  .tuple(
    fc.constantFrom('', 'registry.example.com/', 'localhost:5000/', 'docker.io/'),
    fc.stringMatching(/^[a-z]{1,6}(\/[a-z]{1,6})?$/),
    fc.constantFrom('', ':1', ':v2.0_x', `@sha256:${'0'.repeat(64)}`),
  )
  .map((parts) => parts.join(''));

/** Documents, and the images in them, in any order. */
const manifest = fc
  .record({
    lists: fc.dictionary(
      fc.constantFrom('containers', 'initContainers', 'ephemeralContainers'),
      fc.array(imageName, { minLength: 1, maxLength: 3 }),
      { minKeys: 1 },
    ),
    path: fc.array(fc.oneof(otherKeys, fc.constant(0)), { maxLength: 5 }),
    beside: noise,
  })
  .map(({ lists, path, beside }) => {
    const spec = Object.fromEntries(
      Object.entries(lists).map(([key, images]) => [key, images.map((image) => ({ name: 'c', image }))]),
    );
    const document = path.reduceRight<unknown>(
      (inner, key) => (key === 0 ? [beside, inner] : { [key]: inner, 'beside-it': beside }),
      spec,
    );
    return { document: { kind: 'Anything', content: document }, images: Object.values(lists).flat() };
  });

describe('any manifest', () => {
  it('gives exactly the images of its pods, as YAML of several documents and as JSON', () => {
    fc.assert(
      fc.property(fc.array(manifest, { minLength: 1, maxLength: 4 }), (manifests) => {
        const expected = names(manifests.flatMap(({ images }) => images).join('\n')).toSorted();
        const yaml = manifests.map(({ document }) => stringify(document)).join('---\n');
        expect(parseAllDocuments(yaml)).toHaveLength(manifests.length);
        expect(names(yaml).toSorted()).toEqual(expected);
        const list = { kind: 'List', items: manifests.map(({ document }) => document) };
        expect(names(JSON.stringify(list)).toSorted()).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });
});

describe('what looks like an image and is in no pod', () => {
  const loose = (text: string) => {
    const told: string[] = [];
    namedImages(text, 'app.yaml', ({ reference, where }) =>
      told.push(`${where}: ${formatReference(reference)}`),
    );
    return told;
  };

  it('is told: fields of resources that nobody here has heard of, also in parts', () => {
    const spec = {
      image: 'quay.io/prometheus/prometheus:v2',
      thanos: { image: { registry: 'quay.io', repository: 'thanos/thanos', tag: 'v0.35' } },
      sidecarImage: 'team/sidecar:1',
    };
    const resource = { kind: 'Prometheus', metadata: { name: 'k8s', namespace: 'mon' }, spec };
    expect(loose(stringify(resource)).toSorted()).toEqual([
      'app.yaml: Prometheus mon/k8s: docker.io/team/sidecar:1',
      'app.yaml: Prometheus mon/k8s: quay.io/prometheus/prometheus:v2',
      'app.yaml: Prometheus mon/k8s: quay.io/thanos/thanos:v0.35',
    ]);
  });

  it('is neither what a pod runs, nor what has become of it, nor a single word', () => {
    const volumes = [{ name: 'v', image: { reference: 'team/files:1' } }];
    const status = { containerStatuses: [{ image: 'team/old:1' }] };
    expect(loose(stringify({ kind: 'Pod', spec: { ...pod('app:1'), volumes }, status }))).toEqual([]);
    expect(loose(stringify({ kind: 'VM', spec: { image: 'ubuntu', diskImage: 7 } }))).toEqual([]);
    expect(loose('app:1\n')).toEqual([]);
  });
});
