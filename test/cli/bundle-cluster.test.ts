import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { type KubeApi, kubeconfigOf, startKubeApi } from '../support/kube-api.ts';

let api: KubeApi;
let dir: string;
let archive: string;

/** As the API server lists pods: without their kind. */
const pod = (name: string, spec: object) => ({ metadata: { name, namespace: 'shop' }, spec, status: {} });

beforeAll(async () => {
  api = await startKubeApi();
  api.tokens = { 'good-token': 'admin', 'weak-token': 'guest' };
  dir = await mkdtemp(join(tmpdir(), 'imgctl-bundle-cluster-'));
  archive = join(dir, 'all.tar');
  const images = ['app:1', 'init:1', 'job:1', 'other:1'].map(async (name) => ({
    name,
    image: await randomImage({ seed: name, layers: 1 }),
  }));
  await writeFile(archive, await tarOf(ociLayout(await Promise.all(images))));
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

async function create(token: string) {
  const kubeconfig = join(dir, `${token}.yaml`);
  await writeFile(kubeconfig, kubeconfigOf(api, { token }));
  const out = join(dir, 'cluster.tar');
  const args = ['--from-cluster', '--kubeconfig', kubeconfig, '--from-archive', archive, '-o', out];
  return { out, ...(await runCli(['bundle', 'create', ...args, '--output', 'json'])) };
}

describe('imgctl bundle create --from-cluster', () => {
  it('takes the images of all pods, page by page, those of init containers and of jobs that have ended too', async () => {
    const app = { initContainers: [{ image: 'init:1' }], containers: [{ image: 'app:1' }] };
    api.pods = [
      ...Array.from({ length: 600 }, (_, i) => pod(`app-${i}`, app)),
      { ...pod('job-1', { containers: [{ image: 'job:1' }] }), status: { phase: 'Succeeded' } },
    ];
    const { stdout, status } = await create('good-token');
    expect(JSON.parse(stdout).images.map(({ name }: { name: string }) => name)).toEqual([
      'docker.io/library/app:1',
      'docker.io/library/init:1',
      'docker.io/library/job:1',
    ]);
    expect(status).toBe(0);
    expect(api.requests.map(({ pathname }) => pathname)).toEqual(['/api/v1/pods', '/api/v1/pods']);
  });

  it('names the pod of an image that no archive has', async () => {
    api.pods = [pod('web', { containers: [{ image: 'nowhere:1' }] })];
    const { stdout } = await create('good-token');
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'image_unknown',
      message: 'the cluster: Pod shop/web: no archive has docker.io/library/nowhere:1',
    });
  });

  it('says what may be done where pods may not be listed, and where there are none', async () => {
    const forbidden = JSON.parse((await create('weak-token')).stdout).error;
    expect(forbidden).toMatchObject({
      code: 'discovery_failed',
      message: expect.stringContaining('could not be asked for its pods'),
    });
    expect(forbidden.hint).toContain(
      'kubectl get pods --all-namespaces --output json | imgctl bundle create -f -',
    );
    api.pods = [];
    expect(JSON.parse((await create('good-token')).stdout).error.message).toContain(
      'no pod that names an image',
    );
  });
});
