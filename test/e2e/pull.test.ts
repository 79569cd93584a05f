import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { indexOf, randomImage, type SingleImage } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { busyboxOciArchive } from '../support/images.ts';
import { kubeconfigOf, kubeUser, startKubeApi } from '../support/kube-api.ts';
import {
  type DockerRegistry,
  hasRegistry,
  startRegistry,
  user,
} from '../support/registry/docker-registry.ts';
import { breakOff, refuse, startFakeRegistry } from '../support/registry/fake-registry.ts';
import { containerdGenerations } from '../support/require-containerd.ts';

/** Images of real registries onto real agents, by the real program. */

let dir: string;
let tokenFile: string;
let authority: TestAuthority;
/** Wants a password, over TLS. */
let closed: DockerRegistry;
/** Takes anybody, over plain HTTP. */
let open: DockerRegistry;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-pull-'));
  tokenFile = await put('token', `${'0123456789abcdef'.repeat(4)}\n`);
  await chmod(tokenFile, 0o600);
  if (!hasRegistry) return;
  authority = await makeTestAuthority('registry');
  const tls = await authority.issue('registry', { names: ['127.0.0.1'], usages: ['server'] });
  [closed, open] = await Promise.all([startRegistry({ login: true, tls }), startRegistry()]);
});

afterAll(async () => {
  await Promise.all([closed, open, authority].map((each) => each?.[Symbol.asyncDispose]()));
  await rm(dir, { recursive: true, force: true });
});

async function put(name: string, content: unknown): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const blobsRead = (requests: readonly string[]) =>
  requests.filter((line) => /^GET \S+\/blobs\//.test(line) && !line.endsWith('401'));

describe.skipIf(containerdGenerations.length === 0 || !hasRegistry)('images pull onto containerd', () => {
  const daemons: ContainerdDaemon[] = [];
  const agents: AgentProcess[] = [];
  let registries: string;

  beforeAll(async () => {
    registries = await put('closed.yaml', {
      configs: { [closed.host]: { auth: user, tls: { ca_file: authority.caFile } } },
    });
    for (const generation of containerdGenerations) {
      const daemon = await startContainerd(generation);
      daemons.push(daemon);
      const name = `node-${generation.name}`;
      const args = ['--token-file', tokenFile, '--registries', registries];
      agents.push(await startAgent({ store: `containerd:${daemon.socket}`, name, args }));
    }
  }, 120_000);

  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    for (const daemon of daemons) await daemon.stop();
  });

  it('brings an image to every node, where its programs run, reads each layer once, and says its digest', async () => {
    await closed.pushArchive(await busyboxOciArchive(dir, { tag: 'docker.io/library/b:1' }), 'team/b:latest');
    const name = `${closed.host}/team/b`;
    const nodes = agents.map(({ address }) => address).join();
    const args = ['images', 'pull', name, '--nodes', nodes];
    const { status, stdout, stderr } = await runCli([...args, '--token-file', tokenFile]);
    expect(stderr).toMatch(new RegExp(`${name}:latest is sha256:[0-9a-f]{64}`));
    expect(stdout).toContain(`Imported 1 image into ${agents.length} nodes`);
    expect(status).toBe(0);
    expect(stdout + stderr).not.toContain(user.password);
    const [, digest] = /is (sha256:[0-9a-f]{64})/.exec(stderr) ?? [];
    const read = blobsRead(closed.requests());
    expect(read.length).toBe(2);
    expect(new Set(read).size).toBe(2);
    // Pods may name it by its digest, whether it was pulled by that or by its tag
    for (const daemon of daemons)
      expect((await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q'])).stdout).toContain(
        `${name}@${digest}`,
      );
    for (const daemon of daemons)
      expect(await daemon.runContainer('k8s.io', `${name}:latest`, ['/bin/echo', 'pulled'])).toBe('pulled\n');
    expect(agents.map((agent) => agent.log()).join()).not.toContain(user.password);
  });

  it('does so by the command itself, where that is asked for', async () => {
    const image = await randomImage({ layers: 2, layerSize: 300_000, seed: 'by the command', gzip: true });
    await closed.push(image, 'team/c:1');
    const nodes = agents.map(({ address }) => address).join();
    const begun = closed.requests().length;
    const args = [
      'images',
      'pull',
      `${closed.host}/team/c:1`,
      '--via',
      'command',
      '--registries',
      registries,
    ];
    const { status, stdout } = await runCli([...args, '--nodes', nodes, '--token-file', tokenFile]);
    expect(stdout).toContain(`Imported 1 image into ${agents.length} nodes`);
    expect(status).toBe(0);
    // Two layers and the config
    expect(blobsRead(closed.requests().slice(begun))).toHaveLength(3);
  });
});

describe.skipIf(!hasRegistry)('images pull', () => {
  const agents: AgentProcess[] = [];
  let images: SingleImage[];
  let nodes: string[];

  beforeAll(async () => {
    for (const name of ['one', 'two', 'three'])
      agents.push(
        await startAgent({ store: `oci:${join(dir, name)}`, name, args: ['--token-file', tokenFile] }),
      );
    nodes = ['--nodes', agents.map(({ address }) => address).join(), '--token-file', tokenFile];
    images = await Promise.all(
      ['a', 'b'].map((seed) =>
        randomImage({ layers: 3, layerSize: 400_000, seed: `pull ${seed}`, gzip: true }),
      ),
    );
    const arm = await randomImage({ seed: 'pull arm', platform: 'linux/arm64' });
    for (const [i, image] of images.entries()) await open.push(indexOf([image, arm]), `hub/app${i}:1`);
    await closed.push(images[0] ?? arm, 'team/app:1');
  }, 60_000);

  afterAll(async () => {
    for (const agent of agents) await agent.stop();
  });

  it('reads each layer of all images once, from a mirror, under the name that it has there', async () => {
    const registries = await put('mirror.yaml', {
      mirrors: {
        'docker.io': { endpoint: [`http://${open.host}`], rewrite: { '^library/(.*)$': 'hub/$1' } },
      },
    });
    const list = await put(
      'images.txt',
      '# what we run\n\napp0:1   # the first\n  docker.io/library/app1:1\napp0:1\n',
    );
    const begun = open.requests().length;
    const here = ['--via', 'command', '--registries', registries];
    const args = ['images', 'pull', '-f', list, ...here, ...nodes, '-o', 'json'];
    const { status, stdout } = await runCli(args);
    expect(status).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      ok: true,
      archive: {
        images: [0, 1].map((i) => ({ name: `docker.io/library/app${i}:1`, platforms: ['linux/amd64'] })),
      },
      nodes: agents.map(() => ({ status: 'imported', images: [{ state: 'ready' }, { state: 'ready' }] })),
    });
    const read = blobsRead(open.requests().slice(begun));
    expect(new Set(read).size).toBe(read.length);
    for (const { descriptor } of images.flatMap(({ layers }) => layers))
      expect(read.filter((line) => line.includes(descriptor.digest))).toHaveLength(1);

    const again = open.requests().length;
    const second = await runCli(args);
    expect(JSON.parse(second.stdout).nodes.map(({ status }: { status: string }) => status)).toEqual(
      agents.map(() => 'unchanged'),
    );
    const layers = images.flatMap((image) => image.layers.map(({ descriptor }) => descriptor.digest));
    expect(
      open
        .requests()
        .slice(again)
        .filter((line) => layers.some((digest) => line.includes(digest))),
    ).toEqual([]);
  });

  it('leaves out what cannot be had, says so, and ends with status 3', async () => {
    const refs = [`${open.host}/hub/app0:1`, `${open.host}/hub/nowhere:1`];
    const { status, stdout, stderr } = await runCli(['images', 'pull', ...refs, ...nodes]);
    expect(status).toBe(3);
    expect(stderr).toMatch(
      new RegExp(`left out: \\S+, \\S+, \\S+: ${open.host} does not have hub/nowhere:1`),
    );
    expect(stdout).toContain('but what was left out');
  });

  it('ends with status 4 where nobody may have any of them, before any node is asked for room', async () => {
    const ref = `${closed.host}/team/app:1`;
    const registries = await put('untrusted.yaml', { configs: { [closed.host]: { tls: {} } } });
    const here = ['images', 'pull', ref, '--via', 'command', '--registries'];
    const untrusted = await runCli([...here, registries, ...nodes]);
    expect(untrusted.stderr).toContain('[registry_untrusted]');
    expect(untrusted.status).toBe(4);
    const known = await put('known.yaml', {
      configs: { [closed.host]: { tls: { ca_file: authority.caFile } } },
    });
    const refused = await runCli([...here, known, ...nodes]);
    expect(refused.stderr).toContain('[registry_unauthorized]');
    expect(refused.status).toBe(4);
    for (const via of ['node', 'command']) {
      const unknown = await runCli(['images', 'pull', `${open.host}/hub/no:1`, '--via', via, ...nodes]);
      expect(unknown.stderr).toContain('[image_unknown]');
      expect(unknown.status).toBe(4);
    }
  });

  it("logs in with Docker's config.json, or the pull secret of a pod", async () => {
    const ref = `${closed.host}/team/app:1`;
    const known = await put('known.yaml', {
      configs: { [closed.host]: { tls: { ca_file: authority.caFile } } },
    });
    const auth = Buffer.from(`${user.username}:${user.password}`).toString('base64');
    const config = JSON.stringify({ auths: { [`https://${closed.host}/v2/`]: { auth } } });
    await put('config.json', config);
    const args = ['images', 'pull', ref, '--via', 'command', '--registries', known, ...nodes];
    expect((await runCli(args, { env: { DOCKER_CONFIG: dir } })).status).toBe(0);
    await using api = await startKubeApi();
    const kubeconfig = await put('kubeconfig', kubeconfigOf(api, await kubeUser(api)));
    api.faults.push((_, response) => {
      const data = { '.dockerconfigjson': Buffer.from(config).toString('base64') };
      response.end(JSON.stringify({ kind: 'Secret', type: 'kubernetes.io/dockerconfigjson', data }));
    });
    // Nodes are named, so the kubeconfig is for the secret alone
    const { status, stderr } = await runCli([...args, '--pull-secret', 'team/login'], {
      env: { KUBECONFIG: kubeconfig },
    });
    expect(stderr).not.toContain('Error');
    expect(status).toBe(0);
    expect(api.requests.map(({ pathname }) => pathname)).toEqual(['/api/v1/namespaces/team/secrets/login']);
    // Nodes are not told of it where everybody could read along, and what is of this machine is not for them
    const pulling = ['images', 'pull', ref, ...nodes];
    const plain = await runCli([...pulling, '--pull-secret', 'team/login'], {
      env: { KUBECONFIG: kubeconfig },
    });
    expect(plain.stderr).toContain('--pull-secret would go over plain HTTP');
    expect(plain.status).toBe(2);
    const own = await runCli([...pulling, '--registries', known]);
    expect(own.stderr).toContain('--via command');
    expect(own.status).toBe(2);
    expect(api.requests).toHaveLength(1);
  });

  it('tells nodes of a pull secret over TLS, for this pull alone, and they keep it to themselves', async () => {
    const trusted = await authority.issue('node', { usages: ['server', 'client'] });
    const known = await put('known.yaml', {
      configs: { [closed.host]: { tls: { ca_file: authority.caFile } } },
    });
    const safe = await Promise.all(
      ['safe-1', 'safe-2'].map((name) =>
        startAgent({
          store: `oci:${join(dir, name)}`,
          name,
          tls: trusted,
          args: ['--token-file', tokenFile, '--registries', known],
        }),
      ),
    );
    try {
      await using api = await startKubeApi();
      const kubeconfig = await put('kubeconfig', kubeconfigOf(api, await kubeUser(api)));
      const auth = Buffer.from(`${user.username}:${user.password}`).toString('base64');
      const config = JSON.stringify({ auths: { [closed.host]: { auth } } });
      api.faults.push((_, response) => {
        const data = { '.dockerconfigjson': Buffer.from(config).toString('base64') };
        response.end(JSON.stringify({ kind: 'Secret', type: 'kubernetes.io/dockerconfigjson', data }));
      });
      const list = safe.map(({ address }) => address).join();
      const args = [
        'images',
        'pull',
        `${closed.host}/team/app:1`,
        '--nodes',
        list,
        '--token-file',
        tokenFile,
      ];
      const pulling = [...args, '--ca-file', authority.caFile];
      const { status, stdout, stderr } = await runCli([...pulling, '--pull-secret', 'team/login'], {
        env: { KUBECONFIG: kubeconfig },
      });
      expect([status, stderr]).toEqual([0, expect.not.stringContaining('Error')]);
      const said = [stdout, stderr, ...safe.map((agent) => agent.log())].join();
      expect(said).not.toContain(user.password);
      expect(said).not.toContain(auth);
      await Promise.all(safe.map((agent) => agent.kill('SIGTERM')));
      await Promise.all(safe.map((agent) => agent.restart()));
      const second = await runCli([...args.slice(0, 2), `${closed.host}/team/b:latest`, ...pulling.slice(3)]);
      expect(second.stderr).toContain('[registry_unauthorized]');
    } finally {
      for (const agent of safe) await agent.stop();
    }
  });

  it('goes on where a registry broke off, was overloaded, and sent bytes that were damaged', async () => {
    const image = await randomImage({ layers: 2, layerSize: 500_000, seed: 'trouble', gzip: true });
    await using fake = await startFakeRegistry({ tags: { 'app:1': image } });
    const [first, second] = image.layers;
    fake.faults.push(
      breakOff(new RegExp(`${first?.descriptor.digest}`)),
      refuse(new RegExp(`${first?.descriptor.digest}`), 429, { 'retry-after': '1' }),
      refuse(new RegExp(`${second?.descriptor.digest}`), 503),
    );
    const { status, stdout } = await runCli(['images', 'pull', `${fake.host}/app:1`, ...nodes, '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, nodes: agents.map(() => ({ status: 'imported' })) });
    expect(status).toBe(0);
  });

  it.each(['node', 'command'])(
    'takes no node for stalled that waits for a registry (via %s)',
    async (via) => {
      const image = await randomImage({ layers: 1, layerSize: 300_000, seed: `slow ${via}`, gzip: true });
      await using fake = await startFakeRegistry({ tags: { 'app:1': image } });
      fake.faults.push({
        path: new RegExp(`${image.layers[0]?.descriptor.digest}`),
        answer(response, bytes = Buffer.alloc(0)) {
          response.writeHead(200, { 'content-length': bytes.byteLength });
          response.write(bytes.subarray(0, 1000));
          setTimeout(() => response.end(bytes.subarray(1000)), 2_500);
        },
      });
      const args = [
        'images',
        'pull',
        `${fake.host}/app:1`,
        '--via',
        via,
        ...nodes,
        '--stall-timeout',
        '1s',
        '--retries',
        '0',
      ];
      const { status, stdout } = await runCli([...args, '-o', 'json']);
      expect(JSON.parse(stdout)).toMatchObject({ ok: true });
      expect(status).toBe(0);
    },
  );

  it('names the registry where it gives bytes that are not those of their digest', async () => {
    const image = await randomImage({ layers: 1, layerSize: 200_000, seed: 'damaged' });
    const [layer] = image.layers;
    const wrong = Buffer.alloc(layer?.bytes.byteLength ?? 0, 'x');
    const spoilt = {
      ...image,
      blobs: image.blobs.map((blob) => (blob === layer ? { ...blob, bytes: wrong } : blob)),
    };
    await using fake = await startFakeRegistry({ tags: { 'app:1': spoilt } });
    const args = ['images', 'pull', `${fake.host}/app:1`, ...nodes, '--retries', '0', '-o', 'json'];
    const { status, stdout } = await runCli(args);
    expect(status).toBe(1);
    const { nodes: outcomes } = JSON.parse(stdout);
    for (const { error } of outcomes) {
      expect(error.code).toBe('digest_mismatch');
      expect(error.message).toContain(fake.host);
    }
  });

  it('tells what is wrong with a list, and that something has to be named', async () => {
    const list = await put('wrong.txt', 'app:1\nAPP:1\n');
    const wrong = await runCli(['images', 'pull', '-f', list, ...nodes]);
    expect(wrong.stderr).toContain(`${list}:2: not an image reference`);
    expect(wrong.status).toBe(2);
    expect((await runCli(['images', 'pull', ...nodes])).status).toBe(2);
    const piped = await runCli(['images', 'pull', '-f', '-', ...nodes, '--dry-run', '-o', 'json'], {
      input: Buffer.from(`${open.host}/hub/app0:1\n`),
    });
    expect(JSON.parse(piped.stdout)).toMatchObject({ dryRun: true, archive: { images: [{}] } });
  });
});
