import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestHex } from '../../src/image/digest.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import { hasTool, run } from '../archive/tools.ts';
import {
  blobOf,
  blobPath,
  dockerSave,
  indexOf,
  ociLayout,
  randomImage,
  type TestImage,
  tarOf,
} from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { runHere } from '../support/run-here.ts';
import { cosignSignature } from '../support/signatures.ts';

const app = await randomImage({ seed: 'app', gzip: true });
const arm = await randomImage({ seed: 'app', gzip: true, platform: 'linux/arm64' });
const both = indexOf([app, arm]);
const db = await randomImage({ seed: 'db', layers: 1, layerSize: 300_000 });

let dir: string;
let layouts: string;
let saved: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'imgctl-bundle-create-'));
  layouts = file(
    'layouts.tar',
    await tarOf(
      ociLayout([
        { image: both, name: 'registry.example.com/shop/app:1' },
        { image: both, name: 'registry.example.com/shop/app:stable' },
      ]),
    ),
  );
  saved = file('saved.tar', await tarOf(dockerSave([{ image: db, tags: ['db:2'] }])));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

const create = (...args: string[]) => runHere(['bundle', 'create', ...args]);

async function inspected(path: string) {
  return JSON.parse((await runHere(['bundle', 'inspect', path, '--output', 'json'])).stdout);
}

async function namesIn(path: string): Promise<string[]> {
  return (await inspected(path)).images.map(({ name }: { name: string }) => name);
}

function members(path: string): string[] {
  return run('tar', ['-tf', path]).toString().trim().split('\n');
}

describe('imgctl bundle create', () => {
  it('takes what a list, manifests on standard input and the command line name, and nothing else', async () => {
    const list = file('images.txt', '# ours\nregistry.example.com/shop/app:1\n');
    const out = join(dir, 'named.tar');
    const { stdout, stderr, status } = await runCli(
      [
        'bundle',
        'create',
        'db:2',
        '-f',
        list,
        '-f',
        '-',
        '--from-archive',
        layouts,
        '--from-archive',
        saved,
        '-o',
        out,
      ],
      {
        input: Buffer.from(
          'kind: Pod\nspec:\n  containers:\n  - {name: a, image: "registry.example.com/shop/app:1"}\n',
        ),
      },
    );
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Wrote 2 images, \d+ blobs, .* to .*named\.tar\.$/m);
    expect(status).toBe(0);
    expect(await namesIn(out)).toEqual(['docker.io/library/db:2', 'registry.example.com/shop/app:1']);
  });

  it('takes all images of the archives where none is named, each blob once, documents first', async () => {
    const out = join(dir, 'all.tar');
    expect((await create('--from-archive', layouts, '--from-archive', saved, '-o', out)).status).toBe(0);
    expect(await namesIn(out)).toEqual([
      'docker.io/library/db:2',
      'registry.example.com/shop/app:1',
      'registry.example.com/shop/app:stable',
    ]);
    const names = members(out);
    expect(new Set(names).size).toBe(names.length);
    expect(names.slice(0, 3)).toEqual(['oci-layout', 'index.json', 'manifest.json']);
    // Manifest and config of three images, and an index
    const documents = names.slice(3, 3 + 7);
    for (const { descriptor } of [...app.layers, ...arm.layers, ...db.layers])
      expect(documents).not.toContain(blobPath(descriptor.digest));
    expect((await runHere(['bundle', 'verify', out])).status).toBe(0);
  });

  it('gives the same bytes for the same images, in any order, and in any compression the same archive', async () => {
    const one = ['--from-archive', saved, '--from-archive', layouts];
    const other = ['registry.example.com/shop/app:stable', 'db:2', 'registry.example.com/shop/app:1'];
    const outs = ['a.tar', 'b.tar', 'a.tar.zst', 'b.tar.zst', 'a.tgz', 'b.tgz'].map((name) =>
      join(dir, name),
    );
    for (const [i, out] of outs.entries())
      expect((await create(...(i % 2 === 0 ? [] : other), ...one, '-o', out)).status).toBe(0);
    const [a, b, zst, sameZst, gz, sameGz] = outs.map((path) => readFileSync(path)) as Buffer[];
    expect(b?.equals(a as Buffer)).toBe(true);
    expect(sameZst?.equals(zst as Buffer)).toBe(true);
    expect(sameGz?.equals(gz as Buffer)).toBe(true);
    expect(gunzipSync(gz as Buffer).equals(a as Buffer)).toBe(true);
    expect(run('zstd', ['-dc'], zst).equals(a as Buffer)).toBe(true);
  });

  it('makes small what can be made smaller, and leaves what is compressed as it is', async () => {
    const text = await randomImage({ seed: 'text', layers: 1, layerSize: 0 });
    const layer = blobOf(
      mediaTypes.ociLayer,
      await tarOf([{ name: 'a', body: 'all the same '.repeat(800_000) }]),
    );
    const config = blobOf(mediaTypes.ociConfig, {
      ...text.platform,
      rootfs: { type: 'layers', diff_ids: [layer.descriptor.digest] },
    });
    const manifest = blobOf(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: config.descriptor,
      layers: [layer.descriptor],
    });
    const image = { target: manifest.descriptor, blobs: [manifest, config, layer] };
    const random = await randomImage({ seed: 'random', layers: 1, layerSize: 10_000_000, gzip: true });
    const from = async (image: TestImage) =>
      file('source.tar', await tarOf(ociLayout([{ image, name: 'x:1' }])));
    for (const out of [join(dir, 'x.tar.zst'), join(dir, 'x.tar.gz')]) {
      expect((await create('--from-archive', await from(image), '-o', out)).status).toBe(0);
      expect(readFileSync(out).byteLength).toBeLessThan(200_000);
      expect((await create('--from-archive', await from(random), '-o', out)).status).toBe(0);
      const layerBytes = random.layers[0]?.bytes.byteLength ?? 0;
      expect(readFileSync(out).byteLength).toBeLessThan(layerBytes + 10_000);
      expect((await runHere(['bundle', 'verify', out])).status).toBe(0);
    }
  });

  it('takes the platforms that are named, and refuses what has not all of them', async () => {
    const out = join(dir, 'arm.tar');
    const source = ['--from-archive', layouts, '--from-archive', saved];
    const name = 'registry.example.com/shop/app:1';
    expect((await create(name, ...source, '--platform', 'linux/arm64', '-o', out)).status).toBe(0);
    const [image] = (await inspected(out)).images;
    expect(image).toMatchObject({
      digest: both.target.digest,
      platforms: [
        { platform: 'linux/arm64', state: 'whole' },
        { platform: 'linux/amd64', state: 'absent' },
      ],
    });
    const refused = await create('db:2', ...source, '--platform', 'linux/arm64', '-o', join(dir, 'no.tar'));
    expect(refused.stderr).toContain('[platform_missing]');
    expect(refused.stderr).toContain('docker.io/library/db:2');
    expect(refused.status).toBe(4);
  });

  it('finds an image by digest, under that name, and one with tag and digest under its tag', async () => {
    const out = join(dir, 'digest.tar');
    const digest = db.target.digest;
    const tagged = await create(
      `registry.example.com/shop/app:1@${both.target.digest}`,
      '--from-archive',
      layouts,
      '-o',
      out,
    );
    expect(tagged.status).toBe(0);
    expect(await namesIn(out)).toEqual(['registry.example.com/shop/app:1']);
    const other = file('oci-db.tar', await tarOf(ociLayout([{ image: db, name: 'db:2' }])));
    const named = `registry.example.com/db@${digest}`;
    expect((await create(named, '--from-archive', other, '-o', out)).status).toBe(0);
    expect(await namesIn(out)).toEqual([named]);
  });

  it('says which image of which input is nowhere, and leaves nothing behind', async () => {
    const home = join(dir, 'empty');
    mkdirSync(home);
    const list = file('wrong.txt', 'db:2\n\ndb:3\n');
    const missing = await create('-f', list, '--from-archive', saved, '-o', join(home, 'x.tar.zst'));
    expect(missing.stderr).toContain('[image_unknown]');
    expect(missing.stderr).toContain('wrong.txt:3: no archive has docker.io/library/db:3');
    expect(missing.stderr).toContain('--from-archive');
    expect(missing.status).toBe(1);
    expect(readdirSync(home)).toEqual([]);
  });

  it.each([
    [['-o', 'x.tar'], 'no image is named'],
    [['-f', '-', '--from-archive', '-', '-o', 'x.tar'], 'named twice'],
    [['app:1', '-o', 'x.tar.xz'], 'cannot be compressed'],
    [['app:1'], 'required option'],
    [['App:1', '-o', 'x.tar'], 'lower case'],
    [['-f', '/nowhere/app.yaml', '-o', 'x.tar'], 'it does not exist'],
  ])('refuses %j', async (args, told) => {
    const { stderr, status } = await runCli(['bundle', 'create', ...args], { cwd: dir });
    expect(stderr).toContain(told);
    expect(status).toBe(2);
  });

  it('carries signatures of its images along, by tag and as referrers, and no others', async () => {
    const hex = digestHex(both.target.digest);
    const byTag = cosignSignature({ by: 'tag' });
    const referrer = cosignSignature({ by: 'referrer' }, both.target);
    const foreign = cosignSignature({ by: 'nobody' });
    const refName = 'org.opencontainers.image.ref.name';
    const source = file(
      'signed.tar',
      await tarOf(
        ociLayout([
          { image: both, name: 'registry.example.com/shop/app:1' },
          { image: db, name: 'db:2' },
          { image: byTag, annotations: { [refName]: `sha256-${hex}.sig` } },
          { image: referrer },
          { image: foreign, annotations: { [refName]: `sha256-${'1'.repeat(64)}.sig` } },
        ]),
      ),
    );
    const out = join(dir, 'carried.tar');
    const taken = await create('registry.example.com/shop/app:1', '--from-archive', source, '-o', out);
    expect(taken).toMatchObject({ status: 0, stderr: '' });
    const found = await inspected(out);
    expect(found.images.map(({ name }: { name: string }) => name)).toEqual([
      'registry.example.com/shop/app:1',
    ]);
    const digests = found.attached.map(({ digest }: { digest: string }) => digest);
    expect(digests.toSorted()).toEqual([byTag.target.digest, referrer.target.digest].toSorted());
    expect(JSON.stringify(found.attached)).toContain(`sha256-${hex}.sig`);
    for (const { descriptor } of [...byTag.blobs, ...referrer.blobs])
      expect(members(out)).toContain(blobPath(descriptor.digest));
    expect(members(out)).not.toContain(blobPath(foreign.target.digest));
    const without = ['registry.example.com/shop/app:1', '--from-archive', source, '--no-signatures'];
    expect((await create(...without, '-o', out)).status).toBe(0);
    expect((await inspected(out)).attached).toEqual([]);
  });

  it('takes the manifests of a directory, of which one may name no image', async () => {
    const folder = mkdtempSync(join(dir, 'manifests-'));
    writeFileSync(join(folder, 'a.yaml'), 'kind: Pod\nspec: {containers: [{image: db:2}]}\n');
    writeFileSync(join(folder, 'b.yml'), 'kind: ConfigMap\n');
    writeFileSync(join(folder, 'notes.txt'), 'registry.example.com/shop/app:1\n');
    const out = join(dir, 'folder.tar');
    expect(await create('-f', folder, '--from-archive', saved, '-o', out)).toMatchObject({ status: 0 });
    expect(await namesIn(out)).toEqual(['docker.io/library/db:2']);
    const none = await create('-f', dir, '--from-archive', saved, '-o', out);
    expect(none.stderr).toContain('names no image');
    expect(none.status).toBe(2);
  });

  it('says what looks like an image and is in no pod, unless it is named elsewhere', async () => {
    const widget = (name: string, image: string) =>
      `kind: Widget\nmetadata: {name: ${name}}\nspec: {image: ${image}}\n`;
    const pods = 'kind: Pod\nspec: {containers: [{image: db:2}]}\n';
    const odd = [widget('one', 'team/odd:1'), widget('two', 'db:2'), pods].join('---\n');
    const named = file('odd.yaml', odd);
    const made = await create('-f', named, '--from-archive', saved, '-o', join(dir, 'odd.tar'));
    expect(made.status).toBe(0);
    expect(made.stderr).toContain(`${named}: Widget one names docker.io/team/odd:1, but no pod does`);
    expect(made.stderr).not.toContain('Widget two');
    const none = file('none.yaml', widget('one', 'team/odd:1'));
    const refused = await create('-f', none, '--from-archive', saved, '-o', join(dir, 'odd.tar'));
    expect(refused.stderr).toContain('perhaps docker.io/team/odd:1');
    expect(refused.status).toBe(2);
  });

  it('makes no bundle of what is damaged', async () => {
    const home = mkdtempSync(join(dir, 'damaged-'));
    const members = ociLayout([{ image: app, name: 'app:1' }]);
    const layer = blobPath(app.layers[0]?.descriptor.digest ?? app.target.digest);
    const spoilt = members.map((member) =>
      member.name === layer ? { ...member, body: Buffer.from(member.body as Buffer).reverse() } : member,
    );
    const source = file('damaged.tar', await tarOf(spoilt));
    for (const out of ['x.tar', 'x.tar.zst']) {
      const { stderr, status } = await create('--from-archive', source, '-o', join(home, out));
      expect(stderr).toContain('[digest_mismatch]');
      expect(status).toBe(4);
    }
    expect(
      (await create('--from-archive', source, '--split', '16M', '-o', join(home, 'y.tar.zst'))).status,
    ).toBe(4);
    expect(readdirSync(home)).toEqual([]);
  });

  it('leaves out no image that has no name, but says so', async () => {
    const source = file(
      'nameless.tar',
      await tarOf(ociLayout([{ image: app, name: 'app:1' }, { image: db }])),
    );
    const out = join(dir, 'nameless-bundle.tar');
    const refused = await create('--from-archive', source, '-o', out);
    expect(refused.stderr).toContain('[archive_unnamed]');
    expect(refused.stderr).toContain('docker save IMAGE:TAG');
    expect(refused.status).toBe(4);
    expect((await create('app:1', '--from-archive', source, '-o', out)).status).toBe(0);
    expect(await namesIn(out)).toEqual(['docker.io/library/app:1']);
  });

  it('has no manifest.json where Docker could not load all of it', async () => {
    const chart = blobOf('application/vnd.cncf.helm.config.v1+json', { name: 'chart' });
    const content = blobOf('application/vnd.cncf.helm.chart.content.v1.tar+gzip', { any: 'thing' });
    const manifest = blobOf(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: chart.descriptor,
      layers: [content.descriptor],
    });
    const image = { target: manifest.descriptor, blobs: [manifest, chart, content] };
    const source = file(
      'chart.tar',
      await tarOf(
        ociLayout([
          { image, name: 'chart:1' },
          { image: db, name: 'db:2' },
        ]),
      ),
    );
    const out = join(dir, 'chart-bundle.tar');
    expect((await create('--from-archive', source, '-o', out)).status).toBe(0);
    expect(members(out)).not.toContain('manifest.json');
    expect((await create('db:2', '--from-archive', source, '-o', out)).status).toBe(0);
    expect(members(out)).toContain('manifest.json');
  });

  it('writes to standard output, and reads an archive from standard input', async () => {
    const out = join(dir, 'piped.tar');
    const { stderr, status } = await runCli(['bundle', 'create', '--from-archive', '-', '-o', '-'], {
      input: readFileSync(saved),
      stdoutFile: out,
    });
    expect(stderr).toContain('Wrote 1 image');
    expect(status).toBe(0);
    expect(await namesIn(out)).toEqual(['docker.io/library/db:2']);
  });
});

describe.runIf(hasTool('skopeo'))('skopeo', () => {
  it('finds each image of a bundle by its whole name, compressed or not, and copies it', async () => {
    const out = join(dir, 'skopeo.tar.zst');
    expect((await create('--from-archive', layouts, '--from-archive', saved, '-o', out)).status).toBe(0);
    const inspect = (image: string) => JSON.parse(run('skopeo', ['inspect', image]).toString());
    const name = 'registry.example.com/shop/app';
    expect(inspect(`oci-archive:${out}:${name}:1`)).toMatchObject({ Architecture: 'amd64' });
    // Of what Docker saved, its OCI transport knows no manifest, but there is manifest.json
    expect(inspect(`docker-archive:${out}:db:2`).Layers).toHaveLength(1);
    const copied = join(dir, 'copied.tar');
    const to = `docker-archive:${copied}:registry.example.com/copied:1`;
    run('skopeo', ['--insecure-policy', 'copy', `oci-archive:${out}:${name}:stable`, to]);
    expect(await namesIn(copied)).toEqual(['registry.example.com/copied:1']);
  });
});
