import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { indexOf, randomImage, type TestImage } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import {
  type DockerRegistry,
  hasRegistry,
  startRegistry,
  user,
} from '../support/registry/docker-registry.ts';
import { cosignSignature } from '../support/signatures.ts';

/** Bundles of what a real registry has, by the real program. */
describe.skipIf(!hasRegistry)('a bundle of images of a registry', () => {
  let dir: string;
  let authority: TestAuthority;
  let registry: DockerRegistry;
  let registries: string;
  let both: TestImage;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-bundle-registry-'));
    authority = await makeTestAuthority('registry');
    const tls = await authority.issue('registry', { names: ['127.0.0.1'], usages: ['server'] });
    registry = await startRegistry({ login: true, tls });
    registries = await put('registries.yaml', {
      configs: { [registry.host]: { auth: user, tls: { ca_file: authority.caFile } } },
    });
    const shared = { seed: 'shared', gzip: true };
    const [app, arm] = await Promise.all([
      randomImage(shared),
      randomImage({ ...shared, platform: 'linux/arm64' }),
    ]);
    both = indexOf([app, arm]);
    await registry.push(both, 'shop/app:1');
    await registry.push(app, 'shop/copy:1');
  }, 60_000);

  afterAll(async () => {
    await Promise.all([registry, authority].map((each) => each?.[Symbol.asyncDispose]()));
    await rm(dir, { recursive: true, force: true });
  });

  async function put(name: string, content: unknown): Promise<string> {
    const path = join(dir, name);
    await writeFile(path, JSON.stringify(content));
    return path;
  }

  const create = (out: string, ...args: string[]) =>
    runCli(['bundle', 'create', '--registries', registries, '-o', join(dir, out), ...args]);

  it('has what the manifests name, of each platform, and is the same when it is made again', async () => {
    const pod = (image: string) => ({ kind: 'Pod', apiVersion: 'v1', spec: { containers: [{ image }] } });
    const manifests = await put('app.yaml', {
      kind: 'List',
      items: [pod(`${registry.host}/shop/app:1`), pod(`${registry.host}/shop/copy:1`)],
    });
    const made = await create('one.tar', '-f', manifests);
    expect(made.stderr + made.stdout).not.toContain(user.password);
    expect(made).toMatchObject({ status: 0, stdout: expect.stringContaining('Wrote 2 images') });
    expect((await create('two.tar', '-f', manifests)).status).toBe(0);
    expect((await readFile(join(dir, 'one.tar'))).equals(await readFile(join(dir, 'two.tar')))).toBe(true);
    expect(await runCli(['bundle', 'verify', join(dir, 'one.tar')])).toMatchObject({ status: 0 });
    const { stdout } = await runCli(['bundle', 'inspect', join(dir, 'one.tar'), '--output', 'json']);
    const { images } = JSON.parse(stdout);
    expect(images.map(({ name }: { name: string }) => name)).toEqual([
      `${registry.host}/shop/app:1`,
      `${registry.host}/shop/copy:1`,
    ]);
    expect(stdout).toContain('linux/arm64');
  });

  it('has the same bytes whoever makes it: in any order, at any pace, with other threads, times and masks', async () => {
    const refs = [`${registry.host}/shop/app:1`, `${registry.host}/shop/copy:1`];
    const args = (out: string, names: readonly string[], ...rest: string[]) => [
      ...['bundle', 'create', '--registries', registries, '-o', join(dir, out), ...names, ...rest],
    ];
    const plain = await runCli(args('here.tar.zst', refs, '--max-parallel', '8'));
    expect(plain.status).toBe(0);
    const elsewhere = await runCli(
      args('there.tar.zst', [...refs.toReversed(), ...refs], '--max-parallel', '1'),
      {
        env: { TZ: 'Asia/Kolkata', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8', UV_THREADPOOL_SIZE: '1' },
        prefix: ['sh', '-c', 'umask 077; exec "$@"', 'sh'],
      },
    );
    expect(elsewhere.status).toBe(0);
    const [one, other] = ['here.tar.zst', 'there.tar.zst'].map((name) => readFileSync(join(dir, name)));
    expect(other?.equals(one as Buffer)).toBe(true);
  });

  it('reads each layer once, also of one that two images share', async () => {
    const before = registry.requests().length;
    const both = [
      `${registry.host}/shop/app:1`,
      `${registry.host}/shop/copy:1`,
      `${registry.host}/shop/app:1`,
    ];
    expect((await create('shared.tar', ...both, '--platform', 'linux/amd64')).status).toBe(0);
    const read = registry
      .requests()
      .slice(before)
      .filter((line) => /^GET \S+\/blobs\/\S+ 20\d$/.test(line))
      .map((line) => line.replace(/^.*\/blobs\/(\S+) .*$/, '$1'));
    const layers = new Set(read);
    const manifests = registry
      .requests()
      .slice(before)
      .filter((line) => line.includes('/app/manifests/1 200'));
    expect(manifests).toHaveLength(1);
    // The config is read twice: to know what the image is, and for either name
    expect(read.length - layers.size).toBeLessThanOrEqual(1);
  });

  it('has the signatures that stand beside an image there, and gives no node an image for them', async () => {
    const signature = cosignSignature({ signed: 'by hand' });
    const tag = `${both.target.digest.replace(':', '-')}.sig`;
    await registry.push(signature, `shop/app:${tag}`);
    const name = `${registry.host}/shop/app:1`;
    const attached = async (out: string) => {
      const { stdout } = await runCli(['bundle', 'inspect', join(dir, out), '--output', 'json']);
      return JSON.parse(stdout).attached;
    };
    expect(await create('signed.tar', name)).toMatchObject({ status: 0, stderr: '' });
    const entry = {
      ...signature.target,
      annotations: { 'dev.imgctl.bundle.tag': `${registry.host}/shop/app:${tag}` },
    };
    expect(await attached('signed.tar')).toEqual([entry]);
    expect((await runCli(['bundle', 'inspect', join(dir, 'signed.tar')])).stdout).toContain(tag);
    const copy = ['bundle', 'create', name, '--from-archive', join(dir, 'signed.tar')];
    expect((await runCli([...copy, '-o', join(dir, 'copy.tar')])).status).toBe(0);
    expect((await readFile(join(dir, 'copy.tar'))).equals(await readFile(join(dir, 'signed.tar')))).toBe(
      true,
    );
    const store = ['ctr', '-a', `oci:${join(dir, 'store')}`, 'images'];
    expect((await runCli([...store, 'import', join(dir, 'signed.tar')])).status).toBe(0);
    expect((await runCli([...store, 'ls', '-q'])).stdout).toBe(`${name}\n`);
    expect((await create('plain.tar', name, '--no-signatures')).status).toBe(0);
    expect(await attached('plain.tar')).toEqual([]);
  });

  it('names the image that the registry does not have, and what names it, and leaves no file', async () => {
    const spec = { containers: [{ image: `${registry.host}/shop/none:7` }] };
    const pod = await put('none.yaml', { kind: 'Pod', metadata: { name: 'web' }, spec });
    const named = await create('none.tar', '-f', pod);
    expect(named.stderr).toContain(`${pod}: Pod web`);
    const result = await create('none.tar', `${registry.host}/shop/none:7`);
    expect(result).toMatchObject({ status: 4, stderr: expect.stringContaining('[image_unknown]') });
    expect(result.stderr).toContain('shop/none:7');
    await expect(readFile(join(dir, 'none.tar'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
