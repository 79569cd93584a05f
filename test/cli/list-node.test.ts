import { describe, expect, it } from 'vitest';
import type { AgentClient } from '../../src/agent-api/agent-client.ts';
import type { NodeInfo } from '../../src/agent-api/schemas.ts';
import type { ConnectedNode } from '../../src/cli/connect-nodes.ts';
import { askNode, listedNode } from '../../src/cli/list-node.ts';
import { ImgctlError } from '../../src/errors.ts';

const info: NodeInfo = {
  ...{ name: 'w1', version: '0.4.0', api: 'v1', platforms: ['linux/amd64', 'linux/386'], features: [] },
  store: { kind: 'containerd', version: '2.1.3', snapshotter: 'overlayfs', namespace: 'k8s.io', cri: true },
  freeBytes: 1_000_000,
};
const cluster = { ready: true, cordoned: true, platform: 'linux/amd64', runtime: 'containerd://2.1.3' };

function nodeWith(client: Partial<AgentClient>, more: Partial<ConnectedNode> = {}): ConnectedNode {
  const [name, address] = ['w1', '10.0.4.17:25000'];
  const url = new URL(`https://${address}`);
  return { name, address, url, node: client as AgentClient, ...more };
}

async function listed(node: ConnectedNode, mutual = false) {
  const { signal } = new AbortController();
  return askNode(node, signal).then(
    (answer) => listedNode(node, { answer }, mutual),
    (error) => listedNode(node, { error }, mutual),
  );
}

const answering = { describe: async () => info, healthz: async () => undefined };

describe('a node in the list', () => {
  it('has what the cluster says, and what its agent says', async () => {
    const tls = { notAfter: '2027-03-01T12:00:00Z', fingerprint: 'AA' };
    const client = { ...answering, describe: async () => ({ ...info, tls }) };
    expect(await listed(nodeWith(client, { cluster }), true)).toEqual({
      ...{ node: 'w1', address: '10.0.4.17:25000', ready: true, cordoned: true, platform: 'linux/amd64' },
      ...{ runtime: 'containerd://2.1.3', agent: '0.4.0', store: info.store, freeBytes: 1_000_000 },
      ...{ trust: 'mutual tls', certificateEnds: '2027-03-01T12:00:00Z', roundTripMs: expect.any(Number) },
    });
  });

  it('has a time of a request on a connection that stands, the shortest of a few', async () => {
    const delays = [800, 5, 400];
    const healthz = () => new Promise<void>((resolve) => setTimeout(resolve, delays.shift()));
    const describe = () => new Promise<NodeInfo>((resolve) => setTimeout(() => resolve(info), 200));
    const { roundTripMs } = await listed(nodeWith({ describe, healthz }));
    expect(roundTripMs).toBeLessThan(390);
    expect(delays).toEqual([]);
  });

  it.each([
    ['node_untrusted', 'untrusted'],
    ['node_unauthorized', 'unauthorized'],
    ['node_unreachable', undefined],
  ] as const)('that fails with %s is listed with its error: trust %s', async (code, trust) => {
    const error = new ImgctlError(code, 'no');
    const node = await listed(nodeWith({ describe: () => Promise.reject(error) }, { cluster }));
    expect(node).toMatchObject({ ready: true, runtime: 'containerd://2.1.3', error: { code } });
    expect(node.trust).toBe(trust);
    expect(node.agent).toBeUndefined();
  });

  it('with an agent of another API version has both its facts and an error', async () => {
    const client = { ...answering, describe: async () => ({ ...info, api: 'v9' }) };
    expect(await listed(nodeWith(client))).toMatchObject({
      agent: '0.4.0',
      error: { code: 'node_not_agent' },
    });
  });

  it('that runs something else than containerd is not asked', async () => {
    const node = nodeWith({}, { cluster: { ...cluster, runtime: 'cri-o://1.30.4' } });
    expect(await listed(node)).toMatchObject({
      runtime: 'cri-o://1.30.4',
      error: { code: 'runtime_unsupported' },
    });
  });

  it('of MicroK8s is one whose agent is microk8s', async () => {
    const archives = { deadlineMs: 1, check: async () => undefined, import: async () => undefined };
    const node = nodeWith({}, { cluster, findArchiveNode: async () => archives });
    expect(await listed(node)).toEqual({
      ...{ node: 'w1', address: '10.0.4.17:25000', ready: true, cordoned: true, platform: 'linux/amd64' },
      ...{ runtime: 'containerd://2.1.3', agent: 'microk8s', trust: 'tls' },
    });
  });
});
