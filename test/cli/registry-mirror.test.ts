import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { startAgent } from '../agent/test-agent.ts';
import { freePort } from '../support/agent-process.ts';
import { ociLayout, randomImage, type SingleImage, tarOf } from '../support/archives.ts';
import { startContainerd } from '../support/containerd/daemon.ts';
import { busyboxOciArchive } from '../support/images.ts';
import {
  type DockerRegistry,
  hasRegistry,
  otherUser,
  startRegistry,
  user,
} from '../support/registry/docker-registry.ts';
import { describeContainerd } from '../support/require-containerd.ts';
import { runHere } from '../support/run-here.ts';

/** What is said to a registry, header by header; its answers come back unseen. */
async function overhear({ host }: DockerRegistry): Promise<Overheard> {
  let said = '';
  const server = createServer((socket) => {
    const on = connect(Number(host.split(':')[1]), '127.0.0.1');
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
    });
    socket.on('error', () => on.destroy());
    on.on('error', () => socket.destroy());
    socket.pipe(on).pipe(socket);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${port}`,
    shown: () => [
      ...new Set(
        [...said.matchAll(/^authorization: Basic (\S+)/gim)].map(([, value]) =>
          Buffer.from(value ?? '', 'base64').toString(),
        ),
      ),
    ],
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

interface Overheard extends AsyncDisposable {
  readonly host: string;
  /** `user:password` of every request that had one, each once. */
  shown(): string[];
}

const passwordOf = ({ username, password }: typeof user) => `${username}:${password}`;

/** `sha256:…` of each blob that was given, in order of the requests. */
function blobsGiven(requests: readonly string[]): string[] {
  return requests.flatMap((line) => /^GET \S+\/blobs\/(sha256:\w+)\S* 20[06]$/.exec(line)?.[1] ?? []);
}

/**
 * The image of one registry, which a second one mirrors under another path and for another user. Both are real; the
 * mirror comes first.
 */
describe.skipIf(!hasRegistry)('an image that two registries have', async () => {
  const app = await randomImage({ seed: 'mirrored', layers: 3, gzip: true });
  const torn = await randomImage({ seed: 'torn', layers: 3, gzip: true });
  const lost = torn.layers[1]?.descriptor.digest ?? torn.target.digest;
  let dir: string;
  let mirror: DockerRegistry;
  let own: DockerRegistry;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-mirror-'));
    mirror = await startRegistry({ login: true, as: otherUser });
    own = await startRegistry({ login: true });
    await mirror.push(app, 'copies/shop/app:1');
    await mirror.push(torn, 'copies/shop/torn:1');
    await mirror.lose(lost);
    await own.push(app, 'shop/app:1');
    await own.push(app, 'shop/only-here:1');
    await own.push(torn, 'shop/torn:1');
  }, 60_000);
  afterAll(async () => {
    await Promise.all([mirror, own].map((each) => each?.[Symbol.asyncDispose]()));
    await rm(dir, { recursive: true, force: true });
  });

  /** What each way of getting an image is asked for, and whether it got all of it. */
  const ways: [
    way: string,
    get: (name: string, registries: string, image: SingleImage) => Promise<unknown>,
  ][] = [
    [
      'images pull --via command',
      async (name, registries, image) => {
        const store = createMemoryStore();
        await using agent = await startAgent(store);
        const token = join(dir, 'token');
        await writeFile(token, agent.token, { mode: 0o600 });
        const to = ['--via', 'command', '--nodes', agent.url.host, '--token-file', token];
        const pulled = await runHere(['images', 'pull', name, '--registries', registries, ...to]);
        expect(pulled.stderr + pulled.stdout).not.toMatch(/s3cret|m1rror/);
        expect(pulled.status).toBe(0);
        expect((await store.getImage(name))?.target.digest).toBe(image.target.digest);
      },
    ],
    [
      'bundle create',
      async (name, registries) => {
        const out = join(dir, 'bundle.tar');
        const flags = ['--no-signatures', '--registries', registries, '-o', out];
        const made = await runHere(['bundle', 'create', name, ...flags]);
        expect(made.stderr + made.stdout).not.toMatch(/s3cret|m1rror/);
        expect(made.status).toBe(0);
        expect((await runHere(['bundle', 'verify', out])).status).toBe(0);
      },
    ],
  ];

  /** Which image, who is there, and from which of them its blobs come then: all, or all but one. */
  const troubles: [what: string, repository: string, down?: 'mirror' | 'own'][] = [
    ['the mirror has it, and its own registry is down', 'app', 'own'],
    ['the mirror is down', 'app', 'mirror'],
    ['the mirror lacks the image', 'only-here'],
    ['the mirror has lost a layer', 'torn'],
  ];

  describe.each(troubles)('where %s', (_, repository, down) => {
    it.each(ways)('comes whole by %s, each blob once, and each sees its own password', async (_way, get) => {
      await using overheardMirror = await overhear(mirror);
      await using overheardOwn = await overhear(own);
      const nowhere = `127.0.0.1:${await freePort()}`;
      const at = down === 'mirror' ? nowhere : overheardMirror.host;
      const host = down === 'own' ? nowhere : overheardOwn.host;
      const registries = join(dir, 'registries.yaml');
      const content = {
        mirrors: { [host]: { endpoint: [`http://${at}`], rewrite: { '^shop/(.*)$': 'copies/shop/$1' } } },
        configs: { [at]: { auth: otherUser }, [host]: { auth: user } },
      };
      await writeFile(registries, JSON.stringify(content));
      const image = repository === 'torn' ? torn : app;
      const begun = { mirror: mirror.requests().length, own: own.requests().length };
      await get(`${host}/shop/${repository}:1`, registries, image);

      const asked = {
        mirror: mirror.requests().slice(begun.mirror),
        own: own.requests().slice(begun.own),
      };
      const all = [image.config, ...image.layers].map(({ descriptor }) => descriptor.digest).toSorted();
      const fromOwn = down === 'own' ? [] : repository === 'torn' ? [lost] : all;
      expect(blobsGiven(asked.own).toSorted()).toEqual(fromOwn);
      expect([...blobsGiven(asked.mirror), ...blobsGiven(asked.own)].toSorted()).toEqual(all);
      // What was rewritten is asked of the mirror alone
      expect(asked.mirror.join('\n')).not.toMatch(/\/v2\/shop\//);
      expect(asked.own.join('\n')).not.toContain('copies');
      expect(overheardMirror.shown()).toEqual(down === 'mirror' ? [] : [passwordOf(otherUser)]);
      expect(overheardOwn.shown()).toEqual(down === 'own' ? [] : [passwordOf(user)]);
    });
  });
});

/** Rewrites are known to the containerd of K3s and RKE2 alone: here the path of the mirror stands in its address. */
describeContainerd('containerd, with what registries render made of a mirror', (generation) => {
  it.skipIf(!hasRegistry)(
    'gets it from the mirror, and what that has not, or cannot give, from the registry itself',
    async () => {
      const dir = await mkdtemp(join(tmpdir(), 'imgctl-mirror-'));
      await using cleanup = new AsyncDisposableStack();
      cleanup.defer(() => rm(dir, { recursive: true, force: true }));
      const mirror = cleanup.use(await startRegistry());
      const own = cleanup.use(await startRegistry());
      const archive = await busyboxOciArchive(dir, { tag: 'docker.io/library/b:1' });
      await mirror.pushArchive(archive, 'copies/shop/b:1');
      for (const name of ['shop/b:1', 'shop/other:1']) await own.pushArchive(archive, name);
      const rewritten: SingleImage = await randomImage({ seed: 'lost', gzip: true });
      const tar = join(dir, 'lost.tar');
      await writeFile(tar, await tarOf(ociLayout([{ image: rewritten }])));
      for (const [registry, name] of [
        [mirror, 'copies/shop/lost:1'],
        [own, 'shop/lost:1'],
      ] as const)
        await registry.pushArchive(tar, name);
      const lost = rewritten.layers[0]?.descriptor.digest ?? rewritten.target.digest;
      await mirror.lose(lost);
      const nowhere = `http://127.0.0.1:${await freePort()}`;
      const daemon = await startContainerd(generation);
      cleanup.defer(() => daemon.stop());
      const pull = async (endpoints: string[], name: string) => {
        const registries = join(dir, 'registries.yaml');
        const to = join(dir, `certs-${Math.random()}`);
        await writeFile(
          registries,
          JSON.stringify({ mirrors: { [own.host]: { endpoint: endpoints } }, configs: {} }),
        );
        const rendered = await runHere(['registries', 'render', '--registries', registries, '--to', to]);
        expect(rendered).toMatchObject({ status: 0 });
        const flags = ['--hosts-dir', to, '--plain-http'];
        const pulled = await daemon.ctr(['-n', 'k8s.io', 'images', 'pull', ...flags, `${own.host}/${name}`]);
        expect(pulled.stderr, name).not.toContain('level=fatal');
        expect(pulled.status, pulled.stderr).toBe(0);
      };
      const copies = `${mirror.url}/v2/copies`;
      const begun = own.requests().length;
      await pull([copies], 'shop/b:1');
      expect(own.requests().slice(begun)).toEqual([]);
      expect(await daemon.runContainer('k8s.io', `${own.host}/shop/b:1`, ['/bin/echo', 'mirrored'])).toBe(
        'mirrored\n',
      );
      await pull([copies], 'shop/lost:1');
      expect(blobsGiven(own.requests())).toEqual([lost]);
      await pull([nowhere, copies], 'shop/other:1');
      expect(own.requests().slice(begun).join('\n')).toContain('/shop/other/');
    },
  );
});
