import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseContext } from '../../src/discovery/kubernetes/choose-context.ts';
import { findKubeconfig } from '../../src/discovery/kubernetes/find-kubeconfig.ts';
import { kubernetesDiscovery } from '../../src/discovery/kubernetes/kubernetes-discovery.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'imgctl-kubeconfig-'));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

/** Writes a file below the root; what it holds says where it stands. */
async function put(place: string, text = config(place)): Promise<string> {
  const file = join(root, place);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

function config(name: string, more: object = {}): string {
  return JSON.stringify({
    clusters: [{ name, cluster: { server: 'https://10.0.0.1:6443' } }],
    users: [{ name, user: { token: name } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
    ...more,
  });
}

const places = [
  'home/.kube/config',
  'etc/rancher/k3s/k3s.yaml',
  'etc/rancher/rke2/rke2.yaml',
  'var/snap/microk8s/current/credentials/client.config',
  'etc/kubernetes/admin.conf',
];

const search = (env: Record<string, string> = {}) =>
  findKubeconfig({ env: { HOME: join(root, 'home'), ...env }, root });

describe('a kubeconfig', () => {
  it('is looked for at home, then where K3s, RKE2, MicroK8s and kubeadm put theirs', async () => {
    for (const place of places.toReversed()) {
      await put(place);
      expect((await search()).found?.contexts.map(({ name }) => name)).toEqual([place]);
    }
  });

  it('is none where nothing is found', async () => {
    expect(await search()).toEqual({ unreadable: [] });
  });

  it('counts as none where it has no contexts', async () => {
    for (const place of places.slice(0, 4))
      await put(place, place.includes('snap') ? '# nothing\n---\n' : '{"users":[]}');
    await put('etc/kubernetes/admin.conf');
    expect((await search()).found?.name).toBe(join(root, 'etc/kubernetes/admin.conf'));
  });

  it('is what --kubeconfig names, and no other', async () => {
    await put('home/.kube/config');
    const file = await put('mine');
    expect((await findKubeconfig({ env: {}, explicit: file, root })).found?.currentContext).toBe('mine');
    const missing = findKubeconfig({ env: { HOME: join(root, 'home') }, explicit: join(root, 'gone'), root });
    await expect(missing).rejects.toMatchObject({
      code: 'config_invalid',
      context: { path: join(root, 'gone') },
    });
    const empty = findKubeconfig({ env: {}, explicit: await put('empty', ''), root });
    await expect(empty).rejects.toThrow('has no contexts');
  });

  it('is merged from the files of KUBECONFIG: of one name the first counts, missing ones are left out', async () => {
    await put('home/.kube/config');
    const one = await put('one', config('a', { 'current-context': '' }));
    const two = await put('two', config('b'));
    const three = await put('three', config('a', { users: [{ name: 'a', user: { token: 'other' } }] }));
    const { found } = await search({ KUBECONFIG: `${one}:${join(root, 'gone')}:${two}::${three}` });
    expect(found?.contexts.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(found?.users.map(({ token }) => token)).toEqual(['a', 'b']);
    expect(found?.currentContext).toBe('b');
  });

  it('is not another one than KUBECONFIG says', async () => {
    await put('home/.kube/config');
    await put('etc/kubernetes/admin.conf');
    await expect(search({ KUBECONFIG: join(root, 'gone') })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(join(root, 'gone')),
    });
    expect(await search({ KUBECONFIG: '/dev/null' })).toEqual({ unreadable: [] });
  });

  it('is not the service account of a pod where there is none', async () => {
    const env = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
    expect((await search(env)).found).toBeUndefined();
  });

  it('has files that stand relative to it', async () => {
    const file = await put(
      'etc/kubernetes/admin.conf',
      config('a', {
        clusters: [{ name: 'a', cluster: { server: 'https://a', 'certificate-authority': 'pki/ca.crt' } }],
      }),
    );
    const { found } = await search();
    expect(found?.clusters[0]?.caFile).toBe(join(dirname(file), 'pki/ca.crt'));
  });

  it.each([
    ['no YAML', 'users:\n- name: me\n  user: {token: s3cr3t\n', /\(line \d\)/],
    [
      'a cluster without a server',
      '{"clusters":[{"name":"a","cluster":{}}]}',
      /clusters\[0\]\.cluster\.server is missing/,
    ],
    ['a list', '{"contexts":[3]}', /contexts\[0\]/],
  ])('that is wrong is told by file and reason, without its secrets: %s', async (_, text, reason) => {
    const file = await put('home/.kube/config', text);
    const error = await search().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringMatching(reason) });
    expect((error as Error).message).toContain(file);
    expect(JSON.stringify([(error as Error).message, String((error as Error).cause)])).not.toContain(
      's3cr3t',
    );
  });

  it('of the machine that cannot be read is told, not passed over', async () => {
    const file = await put('etc/rancher/k3s/k3s.yaml');
    await chmod(file, 0);
    expect(await asNobody(() => search())).toEqual({ unreadable: [file] });
    const own = await put('home/.kube/config');
    await chmod(own, 0);
    await expect(asNobody(() => search())).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(own),
    });
  });
});

/** Root reads everything. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  await chmod(root, 0o755);
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

describe('a context', () => {
  const two = {
    name: '/k',
    contexts: [
      { name: 'a', cluster: 'a', user: 'a' },
      { name: 'b', cluster: 'gone', user: 'a' },
      { name: 'c', cluster: 'a', user: 'gone' },
    ],
    clusters: [{ name: 'a', server: 'https://a', skipTLSVerify: false }],
    users: [{ name: 'a', directory: '/' }],
    currentContext: 'a',
  };

  it('is the current one unless another is asked for', () => {
    expect(chooseContext(two, undefined)).toMatchObject({ context: 'a', cluster: { server: 'https://a' } });
  });

  it.each<[string, string | undefined, string | undefined, string, RegExp]>([
    ['asked for', 'a', 'z', 'usage', /no context z/],
    ['current', 'z', undefined, 'config_invalid', /current context z/],
    ['chosen at all', undefined, undefined, 'config_invalid', /no current context/],
  ])(
    'that is not there though %s is refused with the names of those that are',
    (_, current, asked, code, why) => {
      const choose = () => chooseContext({ ...two, currentContext: current }, asked);
      expect(choose).toThrow(expect.objectContaining({ code, hint: expect.stringContaining('a, b, c') }));
      expect(choose).toThrow(why);
    },
  );

  it('leads to a cluster and a user, or is refused', () => {
    expect(() => chooseContext(two, 'b')).toThrow('names the cluster gone');
    expect(() => chooseContext(two, 'c')).toThrow('names the user gone');
  });
});

describe('Kubernetes asked for without a kubeconfig', () => {
  const find = (unreadable: string[]) =>
    kubernetesDiscovery({ unreadable }, { addressing: { defaultPort: 1 }, env: {} }).find();

  it('is an error that says how to name one', async () => {
    await expect(find([])).rejects.toMatchObject({
      code: 'discovery_failed',
      hint: expect.stringContaining('--kubeconfig'),
    });
  });

  it('names those that cannot be read', async () => {
    await expect(find(['/etc/rancher/k3s/k3s.yaml'])).rejects.toThrow('/etc/rancher/k3s/k3s.yaml is there');
  });
});
