import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../archive/tools.ts';
import { blobPath, ociLayout, randomImage, type SingleImage, tarOf } from '../support/archives.ts';
import { imageUpon } from '../support/image-upon.ts';
import { runHere } from '../support/run-here.ts';

const name = 'registry.example.com/shop/app:latest';
const old = await randomImage({ seed: 'old', layers: 3, layerSize: 200_000, gzip: true });
const renewed = await imageUpon(old, 'new');

let dir: string;
let base: string;
let delta: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'imgctl-bundle-delta-'));
  base = await bundle('base.tar.zst', old);
  delta = await bundle('delta.tar.zst', renewed, '--base', base);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function bundle(out: string, image: SingleImage, ...args: string[]): Promise<string> {
  const source = join(dir, `${out}-source.tar`);
  writeFileSync(source, await tarOf(ociLayout([{ image, name }])));
  const made = await runHere(['bundle', 'create', '--from-archive', source, '-o', join(dir, out), ...args]);
  expect(made).toMatchObject({ status: 0, stderr: '' });
  return join(dir, out);
}

const importInto = (store: string, ...files: string[]) =>
  runHere(['ctr', '-a', `oci:${join(dir, store)}`, 'image', 'import', ...files]);

describe('a delta bundle', () => {
  it('has the documents, and only the layers that its base has not', () => {
    const tar = run('zstd', ['-dc', delta]);
    const names = run('tar', ['-tf', '-'], tar).toString();
    for (const { descriptor } of old.layers) expect(names).not.toContain(blobPath(descriptor.digest));
    for (const { descriptor } of renewed.blobs.filter((blob) => !old.layers.some((layer) => layer === blob)))
      expect(names).toContain(blobPath(descriptor.digest));
    expect(names).not.toContain('manifest.json');
    expect(statSync(delta).size).toBeLessThan(statSync(base).size / 5);
  });

  it('brings a node that has the base what is new', async () => {
    expect((await importInto('has', base)).status).toBe(0);
    const { status, stdout } = await importInto('has', delta, '--output', 'json');
    expect(JSON.parse(stdout)).toMatchObject({
      archive: { images: [{ name, digest: renewed.target.digest, platforms: ['linux/amd64'] }] },
      nodes: [{ status: 'imported' }],
    });
    expect(status).toBe(0);
  });

  it('says which base it needs to a node that lacks it, and sends nothing', async () => {
    const { status, stderr } = await importInto('lacks', delta);
    expect(stderr).toContain(
      'this is a delta bundle upon base.tar.zst, and the node lacks 3 blobs of that one',
    );
    expect(stderr).toContain('Import base.tar.zst first');
    expect(status).toBe(4);
  });

  it('comes with its base in one command, in any order, and takes the place of what has its name there', async () => {
    for (const [i, files] of [
      [base, delta],
      [delta, base],
    ].entries()) {
      const { status, stdout } = await importInto(`both-${i}`, ...files, '--output', 'json');
      expect(status).toBe(0);
      expect(JSON.parse(stdout).archive.images).toMatchObject([{ name, digest: renewed.target.digest }]);
    }
  });

  it('is shown for what it is, and verified with its base and without', async () => {
    const shown = await runHere(['bundle', 'inspect', delta]);
    expect(shown.stdout).toMatch(
      /^A delta upon base\.tar\.zst \(index sha256:[0-9a-f]{64}\): 3 blobs more there\.$/m,
    );
    expect(shown.stdout).toContain('linux/amd64 (with the base)');
    const alone = await runHere(['bundle', 'verify', delta]);
    expect(alone.stdout).toMatch(/^warn +base +what is not here is meant to be in base\.tar\.zst/m);
    expect(alone.status).toBe(0);
    expect(await runHere(['bundle', 'verify', delta, '--base', base])).toMatchObject({ status: 0 });
    const other = await bundle('other.tar', await randomImage({ seed: 'other' }));
    const wrong = await runHere(['bundle', 'verify', delta, '--base', other]);
    expect(wrong.stderr).toContain('it was made upon base.tar.zst');
    expect(wrong.status).toBe(2);
  });
});
