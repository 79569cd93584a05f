import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { indexOf, randomImage } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import {
  type DockerRegistry,
  hasRegistry,
  startRegistry,
  user,
} from '../support/registry/docker-registry.ts';

/** Bundles of what a real registry has, by the real program. */
describe.skipIf(!hasRegistry)('a bundle of images of a registry', () => {
  let dir: string;
  let authority: TestAuthority;
  let registry: DockerRegistry;
  let registries: string;

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
    await registry.push(indexOf([app, arm]), 'shop/app:1');
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

  it('reads each layer once, also of one that two images share', async () => {
    const before = registry.requests().length;
    const both = [`${registry.host}/shop/app:1`, `${registry.host}/shop/copy:1`];
    expect((await create('shared.tar', ...both, '--platform', 'linux/amd64')).status).toBe(0);
    const read = registry
      .requests()
      .slice(before)
      .filter((line) => /^GET \S+\/blobs\/\S+ 20\d$/.test(line))
      .map((line) => line.replace(/^.*\/blobs\/(\S+) .*$/, '$1'));
    const layers = new Set(read);
    // The config is read twice: to know what the image is, and for either name
    expect(read.length - layers.size).toBeLessThanOrEqual(1);
  });

  it('names the image that the registry does not have, and leaves no file', async () => {
    const result = await create('none.tar', `${registry.host}/shop/none:7`);
    expect(result).toMatchObject({ status: 4, stderr: expect.stringContaining('[image_unknown]') });
    expect(result.stderr).toContain('shop/none:7');
    await expect(readFile(join(dir, 'none.tar'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
