import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasTool, run } from '../archive/tools.ts';
import {
  blobMembers,
  dockerSave,
  ociLayout,
  randomImage,
  type TarMember,
  tarOf,
} from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { runHere } from '../support/run-here.ts';

const name = 'registry.example.com/shop/app:1';
const app = await randomImage({ seed: 'app' });
const evil = await randomImage({ seed: 'evil' });

let dir: string;
let source: string;
let bundle: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'imgctl-bundle-sign-'));
  source = file('source.tar', await tarOf(ociLayout([{ image: app, name }])));
  for (const key of ['release', 'other'])
    expect(await runCli(['bundle', 'keygen', key], { cwd: dir })).toMatchObject({ status: 0, stderr: '' });
  bundle = await signed('bundle.tar');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

async function signed(out: string): Promise<string> {
  const key = join(dir, 'release.key');
  const made = await runCli([
    'bundle',
    'create',
    '--from-archive',
    source,
    '--sign',
    key,
    '-o',
    join(dir, out),
  ]);
  expect(made).toMatchObject({ status: 0, stderr: '' });
  return join(dir, out);
}

const pub = (key = 'release') => join(dir, `${key}.pub`);

const importing = (store: string, ...args: string[]) => [
  'ctr',
  '-a',
  `oci:${join(dir, store)}`,
  'image',
  'import',
  '--verify-key',
  ...args,
];

/** What a store has after an import that was refused. */
function blobsIn(store: string): string[] {
  return readdirSync(join(dir, store), { recursive: true })
    .map(String)
    .filter((path) => /^blobs\/sha256\/./.test(path));
}

/** The members of the signed bundle, changed. */
async function tampered(out: string, change: (members: TarMember[]) => TarMember[]): Promise<string> {
  const names = run('tar', ['-tf', bundle]).toString().trim().split('\n');
  const members = names.map((member) => ({ name: member, body: run('tar', ['-xOf', bundle, member]) }));
  return file(out, await tarOf(change(members)));
}

describe('a signed bundle', () => {
  it('is imported with the key that signed it, from a file, compressed, and through a pipe', async () => {
    const compressed = await signed('bundle.tar.zst');
    for (const [store, file] of [
      ['plain', bundle],
      ['zst', compressed],
    ] as const) {
      const { status, stderr } = await runHere(importing(store, pub(), file));
      expect(stderr).toMatch(/bundle\.tar\S* is signed with the key [0-9A-F]{16}\./);
      expect(status).toBe(0);
    }
    const piped = await runCli(importing('piped', pub(), '-'), { input: readFileSync(compressed) });
    expect(piped.status).toBe(0);
    expect(blobsIn('piped')).toHaveLength(app.blobs.length);
  });

  it('has the same bytes each time', async () => {
    expect(readFileSync(await signed('again.tar')).equals(readFileSync(bundle))).toBe(true);
  });

  it('is imported without a key as any other, and nothing is said', async () => {
    const { status, stderr } = await runCli([
      'ctr',
      '-a',
      `oci:${join(dir, 'free')}`,
      'image',
      'import',
      bundle,
    ]);
    expect(stderr).not.toContain('signed');
    expect(status).toBe(0);
  });

  it.runIf(hasTool('minisign'))('is verified by minisign alone', () => {
    const out = mkdtempSync(join(dir, 'extracted-'));
    run('tar', ['-xf', bundle, '-C', out, 'index.json', 'index.json.minisig']);
    expect(run('minisign', ['-V', '-m', join(out, 'index.json'), '-p', pub()]).toString()).toContain(
      'Signature and comment signature verified',
    );
  });

  it('is shown and verified with its key', async () => {
    const shown = await runHere(['bundle', 'inspect', bundle]);
    expect(shown.stdout).toMatch(/Says that it is signed with the key [0-9A-F]{16}\./);
    const good = await runHere(['bundle', 'verify', bundle, '--verify-key', pub()]);
    expect(good.stdout).toMatch(/^ok +signature +key [0-9A-F]{16}$/m);
    expect(good.status).toBe(0);
    const unasked = await runHere(['bundle', 'verify', bundle]);
    expect(unasked.stdout).toMatch(/^warn +signature /m);
    expect(unasked.status).toBe(0);
    expect(await runHere(['bundle', 'verify', bundle, '--verify-key', pub('other')])).toMatchObject({
      status: 5,
    });
  });
});

describe('what is not signed as it must be', () => {
  it.each<[what: string, told: string, make: () => Promise<string>, key?: string]>([
    ['another key', 'is signed with the key', async () => bundle, 'other'],
    ['no signature', 'is not signed', async () => source],
    [
      'what docker save writes',
      'is not signed',
      async () => file('docker.tar', await tarOf(dockerSave([{ image: app, tags: [name] }]))),
    ],
    [
      'an index with one more image',
      'changed since it was signed',
      () =>
        tampered('index.tar', (members) =>
          members
            .map((member) => {
              if (member.name !== 'index.json') return member;
              const index = JSON.parse(String(member.body));
              const entry = { ...evil.target, annotations: { 'io.containerd.image.name': 'evil:1' } };
              return {
                name: member.name,
                body: JSON.stringify({ ...index, manifests: [...index.manifests, entry] }),
              };
            })
            .concat(blobMembers(evil.blobs)),
        ),
    ],
  ])('is refused before anything is written: %s', async (_, told, make, key) => {
    const store = `refused-${told.length}-${_.length}`;
    const path = await make();
    const { status, stderr } = await runHere(importing(store, pub(key), path));
    expect(stderr).toContain('[signature_invalid]');
    expect(stderr).toContain(told);
    expect(status).toBe(5);
    const piped = await runCli(importing(store, pub(key), '-'), {
      input: zstdCompressSync(readFileSync(path)),
    });
    expect(piped.status).toBe(5);
    expect(blobsIn(store)).toEqual([]);
  });

  it('names no image by a manifest.json, which nothing signs', async () => {
    const config = evil.config.descriptor.digest.replace(':', '/');
    const entry = {
      Config: `blobs/${config}`,
      RepoTags: ['evil:1'],
      Layers: evil.layers.map(({ descriptor }) => `blobs/${descriptor.digest.replace(':', '/')}`),
    };
    const path = await tampered('manifest.tar', (members) => [
      ...members.map((member) => {
        if (member.name !== 'manifest.json') return member;
        return { name: member.name, body: JSON.stringify([...JSON.parse(String(member.body)), entry]) };
      }),
      ...blobMembers(evil.blobs),
    ]);
    const listed = async (store: string) =>
      (await runCli(['ctr', '-a', `oci:${join(dir, store)}`, 'i', 'ls', '-q'])).stdout.trim().split('\n');
    // The attack works where nobody asks for a signature
    await runCli(['ctr', '-a', `oci:${join(dir, 'unasked')}`, 'image', 'import', path]);
    expect(await listed('unasked')).toContain('docker.io/library/evil:1');
    expect((await runCli(importing('asked', pub(), path))).status).toBe(0);
    expect(await listed('asked')).toEqual([name]);
  });

  it('does not get past the store where a blob is not what the signed index leads to', async () => {
    const path = await tampered('layer.tar', (members) =>
      members.map((member) => {
        const body = Buffer.from(member.body as Uint8Array);
        if (body.byteLength !== app.layers[0]?.bytes.byteLength) return member;
        body.writeUInt8(body.readUInt8(600) ^ 1, 600);
        return { name: member.name, body };
      }),
    );
    const { status, stderr } = await runHere(importing('layer', pub(), path));
    expect(stderr).toContain('[digest_mismatch]');
    expect(status).not.toBe(0);
  });
});

describe('imgctl bundle keygen', () => {
  it('keeps the secret key to its owner, and replaces nothing', async () => {
    expect(statSync(join(dir, 'release.key')).mode & 0o777).toBe(0o600);
    const before = readFileSync(join(dir, 'release.key'));
    const { stderr, status } = await runCli(['bundle', 'keygen', 'release'], { cwd: dir });
    expect(stderr).toContain('is there already');
    expect(status).toBe(2);
    expect(readFileSync(join(dir, 'release.key')).equals(before)).toBe(true);
  });
});
