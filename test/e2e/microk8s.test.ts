import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { startAgent as startAgentHere } from '../agent/test-agent.ts';
import { makeTestAuthority } from '../support/agent-certificates.ts';
import { freePort, startAgent } from '../support/agent-process.ts';
import { indexOf, ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { becomes } from '../support/becomes.ts';
import { runCli, startCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { heldPipe } from '../support/held-pipe.ts';
import { busyboxDockerArchive, busyboxOciArchive } from '../support/images.ts';
import {
  anyArchive,
  ctrImporter,
  goArchitecture,
  importPath,
  type Microk8sCluster,
  makeMicrok8sCluster,
  startMicrok8sAgent,
  startRealMicrok8sAgent,
} from '../support/microk8s-agent.ts';
import { describeContainerd } from '../support/require-containerd.ts';

/** MicroK8s clusters as they are, from the command; and MicroK8s's own client, to an agent of ours. */

const name = 'docker.io/library/box:1';
let directory: string;
let cluster: Microk8sCluster;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgctl-test-microk8s-'));
  cluster = await makeMicrok8sCluster();
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** As root on a MicroK8s node runs it: the credentials lie there. */
function onNode(nodes: string, ...args: string[]) {
  const [archive, ...rest] = args;
  return runCli(['images', 'import', '--nodes', nodes, '--output', 'json', ...rest], {
    inputFile: archive,
    env: { SNAP_DATA: cluster.snapData, HOME: directory },
  });
}

describeContainerd('images import into MicroK8s, with nothing installed there', (generation) => {
  let daemon: ContainerdDaemon;
  beforeAll(async () => {
    daemon = await startContainerd(generation);
  }, 60_000);
  afterAll(() => daemon.stop());

  it.each([
    ['an OCI archive', busyboxOciArchive],
    ['what docker save writes', busyboxDockerArchive],
  ])('takes %s, and its programs run', async (kind, archiveOf) => {
    const tag = `registry.example.com/team/box:${kind.length}`;
    await using agent = await startMicrok8sAgent({ cluster, importer: ctrImporter(daemon) });

    const { status, stdout } = await onNode(agent.url.origin, await archiveOf(directory, { tag }));

    expect(JSON.parse(stdout).nodes).toMatchObject([
      { status: 'imported', images: [{ name: tag, state: 'ready' }] },
    ]);
    expect(status).toBe(0);
    expect(await daemon.runContainer('k8s.io', tag, ['/bin/echo', 'it', 'runs'])).toBe('it runs\n');
  });

  it('takes an image of which other platforms were not saved', async () => {
    const own = await randomImage({ platform: `linux/${goArchitecture}`, seed: generation.name });
    const other = await randomImage({ platform: 'linux/s390x', seed: generation.name });
    const index = indexOf([own, other]);
    const archive = join(directory, `partial-${generation.name}.tar`);
    const without = other.blobs.map(({ descriptor }) => descriptor.digest);
    await writeFile(archive, await tarOf(ociLayout([{ image: index, name }], { without })));
    await using agent = await startMicrok8sAgent({ cluster, importer: ctrImporter(daemon) });

    const { status, stdout } = await onNode(agent.url.origin, archive);

    expect(JSON.parse(stdout).nodes).toMatchObject([{ status: 'imported' }]);
    expect(status).toBe(0);
    const { stdout: listed } = await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', `name==${name}`]);
    expect(listed).toContain(index.target.digest);
  });

  it('says what it checked where ctr fails on the node, and does not try that again', async () => {
    const foreign = await Promise.all(
      ['linux/s390x', 'linux/ppc64le'].map((platform) => randomImage({ platform })),
    );
    const archive = join(directory, `foreign-${generation.name}.tar`);
    await writeFile(
      archive,
      await tarOf(ociLayout([{ image: indexOf(foreign), name: 'docker.io/library/f:1' }])),
    );
    await using agent = await startMicrok8sAgent({ cluster, importer: ctrImporter(daemon) });

    const { status, stdout } = await onNode(agent.url.origin, archive, '--retries', '2');

    // The second generation finds nothing for its platform, and calls that success: all that is left is to say so
    if (generation.name.startsWith('2')) {
      expect(JSON.parse(stdout).nodes[0].warnings).toContainEqual(
        expect.stringContaining('the images are for linux/s390x, linux/ppc64le and run on nothing else'),
      );
      return;
    }
    expect(JSON.parse(stdout).nodes).toMatchObject([
      {
        status: 'failed',
        error: {
          code: 'store_failed',
          message: expect.stringContaining('exit status 1'),
          hint: expect.stringContaining('for linux/s390x, linux/ppc64le'),
        },
      },
    ]);
    expect(status).toBe(1);
    expect(agent.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it.skipIf(process.env.MICROK8S_CLUSTER_AGENT === undefined)(
    'goes into the real cluster agent, which is refused a wrong token by',
    async () => {
      const tag = 'registry.example.com/team/real:1';
      const program = process.env.MICROK8S_CLUSTER_AGENT ?? '';
      await using own = await makeMicrok8sCluster();
      await using agent = await startRealMicrok8sAgent(program, own, daemon);
      const archive = await busyboxOciArchive(directory, { tag });
      const run = (...args: string[]) =>
        runCli(['images', 'import', '--nodes', agent.address, '--output', 'json', ...args], {
          inputFile: archive,
          env: { SNAP_DATA: own.snapData, HOME: directory },
        });

      const good = await run();
      const bad = await run('--microk8s-token-file', cluster.tokenFile);

      expect(JSON.parse(good.stdout).nodes, agent.log()).toMatchObject([{ status: 'imported' }]);
      expect(await daemon.runContainer('k8s.io', tag, ['/bin/echo', 'it', 'runs'])).toBe('it runs\n');
      expect(JSON.parse(bad.stdout).nodes).toMatchObject([{ error: { code: 'node_unauthorized' } }]);
      expect(bad.status).toBe(5);
    },
    60_000,
  );
});

describe('images import into a mixed cluster', () => {
  it('brings the images to all nodes at once: MicroK8s, an agent of ours, and one that is dead', async () => {
    const archive = await busyboxOciArchive(directory, { tag: name });
    await using one = await startMicrok8sAgent({ cluster, importer: anyArchive });
    await using two = await startMicrok8sAgent({ cluster, importer: anyArchive });
    const own = await startAgent({ store: `oci:${join(directory, 'store')}` });
    const nodes = `one=${one.url.origin},two=${two.url.origin},own=${own.address},dead=127.0.0.1:${await freePort()}`;
    try {
      const { status, stdout } = await onNode(
        nodes,
        archive,
        ...['--token-file', own.tokenFile, '--retries', '0', '--platform', `linux/${goArchitecture}`],
      );

      const statuses = JSON.parse(stdout).nodes.map((node: { node: string; status: string }) => [
        node.node,
        node.status,
      ]);
      expect(statuses).toEqual([
        ['one', 'imported'],
        ['two', 'imported'],
        ['own', 'imported'],
        ['dead', 'refused'],
      ]);
      expect(status).toBe(3);
    } finally {
      await own.stop();
    }
  });

  it('sends a pipe to an agent of ours while it is read, and to MicroK8s when it is whole', async () => {
    const image = await randomImage({
      platform: `linux/${goArchitecture}`,
      seed: 'piped',
      layerSize: 200_000,
    });
    const [marker, index, ...blobs] = ociLayout([{ image, name }]);
    const layer = image.layers[0]?.descriptor.digest ?? '';
    const store = join(directory, 'piped-store');
    await using theirs = await startMicrok8sAgent({ cluster, importer: anyArchive });
    const ours = await startAgent({ store: `oci:${store}` });
    try {
      const pipe = await heldPipe(
        [marker, ...blobs, index].flatMap((one) => one ?? []),
        'index.json',
      );
      const nodes = `theirs=${theirs.url.origin},ours=${ours.address}`;
      const running = startCli(
        ['images', 'import', '--nodes', nodes, '--token-file', ours.tokenFile, '--output', 'json'],
        { input: pipe.input, env: { SNAP_DATA: cluster.snapData, HOME: directory } },
      );
      await becomes(
        () => existsSync(join(store, 'blobs', ...layer.split(':'))),
        (isThere) => isThere,
      );
      const taken = theirs.requests.reduce((sum, { bytes }) => sum + bytes, 0);
      pipe.finish();
      const { status, stdout } = await running.result;
      expect([status, JSON.parse(stdout).nodes]).toMatchObject([
        0,
        [{ status: 'imported' }, { status: 'imported', bytesSkipped: 0 }],
      ]);
      expect(taken).toBeLessThan(1_000);
      expect(theirs.requests.reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThan(400_000);
    } finally {
      await ours.stop();
    }
  });

  it('says once in plain words what such nodes cannot do', async () => {
    const archive = await busyboxOciArchive(directory, { tag: name });
    await using one = await startMicrok8sAgent({ cluster, importer: anyArchive });
    await using two = await startMicrok8sAgent({ cluster, importer: anyArchive });

    const { status, stdout, stderr } = await runCli(
      ['images', 'import', '--nodes', `one=${one.url.origin},two=${two.url.origin}`],
      { inputFile: archive, env: { SNAP_DATA: cluster.snapData, HOME: directory } },
    );

    expect(status).toBe(0);
    expect(stderr.match(/its own agent takes the images/g)).toHaveLength(1);
    expect(stderr).toMatch(/one: .*its platform is not known/);
    expect(stdout).toMatch(/one +imported +1\/1/);
  });

  it('never shows the callback token to a stranger, and gives status 3 for the others', async () => {
    const archive = await busyboxOciArchive(directory, { tag: name });
    await using authority = await makeTestAuthority('10.152.183.1');
    await using stranger = await startMicrok8sAgent({ cluster, authority, importer: anyArchive });
    await using good = await startMicrok8sAgent({ cluster, importer: anyArchive });

    const { status, stdout } = await onNode(`good=${good.url.origin},bad=${stranger.url.origin}`, archive);

    expect(JSON.parse(stdout).nodes).toMatchObject([
      { node: 'good', status: 'imported' },
      { node: 'bad', error: { code: 'node_untrusted', message: expect.stringContaining('SHA-256') } },
    ]);
    expect(status).toBe(3);
    expect(stranger.requests.filter(({ token }) => token !== undefined)).toEqual([]);
  });

  it('is told after Ctrl-C that MicroK8s keeps nothing of what it took', async () => {
    const archive = await busyboxOciArchive(directory, { tag: name });
    const taken = Promise.withResolvers<void>();
    const importer = async (archive: Readable) => {
      archive.once('data', taken.resolve);
      await once(archive, 'close');
      return 1;
    };
    await using agent = await startMicrok8sAgent({ cluster, importer });
    const running = startCli(['images', 'import', '--nodes', agent.url.origin], {
      inputFile: archive,
      env: { SNAP_DATA: cluster.snapData, HOME: directory },
    });

    await taken.promise;
    running.kill('SIGINT');
    const { status, stderr } = await running.result;

    expect(stderr).toContain('interrupted: the nodes keep nothing of what they took');
    expect(stderr).not.toMatch(/kept for an hour|resumed/);
    expect(status).toBe(130);
  });

  it('takes credentials by option, and says where they are when there are none', async () => {
    const archive = await busyboxOciArchive(directory, { tag: name });
    await using agent = await startMicrok8sAgent({ cluster, importer: anyArchive });
    const run = (...args: string[]) =>
      runCli(['images', 'import', '--nodes', agent.url.origin, '--output', 'json', ...args], {
        inputFile: archive,
        env: { HOME: directory },
      });
    const files = ['--microk8s-token-file', cluster.tokenFile, '--microk8s-ca', cluster.caFile];

    const without = await run();
    const auto = await run(...files);
    const named = await run('--driver', 'microk8s', ...files);
    const pinned = await run(...files.slice(0, 2), '--microk8s-ca', agent.certFile);
    const own = await run('--driver', 'imgctl', ...files);

    expect(without.status).toBe(5);
    expect(JSON.parse(without.stdout).nodes[0].error.hint).toMatch(/--microk8s-(ca|token-file)/);
    expect([auto.status, named.status, pinned.status]).toEqual([0, 0, 0]);
    expect(own.status).toBe(5);
  });

  it('refuses a token file that is not there before it reads the archive', async () => {
    const { status, stderr } = await runCli(
      ['images', 'import', '--nodes', '127.0.0.1:1', '--microk8s-token-file', join(directory, 'none')],
      { inputFile: '/dev/null', env: { HOME: directory } },
    );

    expect(stderr).toContain('token_missing');
    expect(status).toBe(2);
  });

  it('cannot list or remove images there, and says what can', async () => {
    await using agent = await startMicrok8sAgent({ cluster, importer: anyArchive });
    const env = { SNAP_DATA: cluster.snapData, HOME: directory };

    const list = await runCli(['images', 'list', '--nodes', agent.url.origin], { env });
    const remove = await runCli(
      ['images', 'rm', 'box:1', '--nodes', agent.url.origin, '--driver', 'microk8s'],
      {
        env,
      },
    );

    expect(list.stderr).toMatch(/MicroK8s's own agent cannot list images[\s\S]*microk8s ctr images ls/);
    expect(remove.stderr).toMatch(
      /cannot remove images[\s\S]*microk8s ctr images rm docker.io\/library\/box:1/,
    );
    expect([list.status, remove.status]).toEqual([4, 4]);
    expect(agent.requests.filter(({ token }) => token !== undefined)).toEqual([]);
  });
});

describe("MicroK8s's own client, to an agent of ours", () => {
  /** What `microk8s images import` does, with requests and urllib3 spelled out: see its distributed_op.py. */
  const client = `
import http.client, ssl, sys
endpoint, token, path = sys.argv[1:4]
data = open(path, "rb").read()
print("Pushing OCI images to {}".format(endpoint))
context = ssl._create_unverified_context()
try:
    connection = http.client.HTTPSConnection(endpoint, context=context)
    connection.putrequest("POST", "/cluster/api/v2.0/image/import", skip_accept_encoding=True)
    headers = {
        "User-Agent": "python-requests/2.31.0", "Accept-Encoding": "gzip, deflate", "Accept": "*/*",
        "Connection": "keep-alive", "x-microk8s-callback-token": token, "Content-Length": str(len(data)),
    }
    for key, value in headers.items():
        connection.putheader(key, value)
    try:
        connection.endheaders(data)
    except BrokenPipeError:
        pass
    res = connection.getresponse()
    content = res.read()
    if res.status != 200:
        print("Failed to import images on {}: {}".format(endpoint, content.decode()))
    print(res.status, res.getheader("content-type"), content.decode())
except OSError as e:
    print("Failed to reach {}: {}".format(endpoint, e))
`;

  async function push(endpoint: string, token: string, archive: string): Promise<string> {
    const child = spawn('python3', ['-c', client, endpoint, token, archive], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return text(child.stdout);
  }

  it('imports, over TLS that it does not verify, and reads every refusal word for word', async () => {
    await using authority = await makeTestAuthority();
    const { certFile, keyFile } = await authority.issue('agent');
    await using agent = await startAgentHere(createMemoryStore(), {
      settings: { tlsCert: certFile, tlsKey: keyFile },
    });
    const endpoint = agent.url.host;
    const archive = await busyboxOciArchive(directory, { tag: name });
    const big = join(directory, 'big.bin');
    await writeFile(big, Buffer.alloc(64 * 1024 * 1024, 'not a tar '));

    expect(await push(endpoint, agent.token, archive)).toContain(
      '200 text/plain; charset=utf-8 {"status":"OK"}',
    );
    // While it still sends 64 MiB
    const wrong = await push(endpoint, 'wrong', big);
    expect(wrong).toContain(`Failed to import images on ${endpoint}: {"error":"Invalid token"}`);
    expect(wrong).toContain('401 text/plain; charset=utf-8');
    const bad = await push(endpoint, agent.token, big);
    expect(bad).toMatch(/Failed to import images on .*: \{"error":"Failed to import the image: .+"\}/);
    expect(bad).toContain('500 text/plain; charset=utf-8');
  });

  it('gets a bare 404 for every other method, with or without the token', async () => {
    await using agent = await startAgentHere(createMemoryStore());
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(new URL(importPath, agent.url), { method });
      expect([method, answer.status, await answer.text()]).toEqual([method, 404, '']);
    }
  });
});
