import { chmod } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { AgentClient } from '../../src/agent-api/agent-client.ts';
import { NodeDrivers } from '../../src/cli/microk8s-nodes.ts';
import type { Driver } from '../../src/config/settings.ts';
import { ImgctlError } from '../../src/errors.ts';
import type { Reporter } from '../../src/output/reporter.ts';
import { anyArchive, makeMicrok8sCluster, startMicrok8sAgent } from '../support/microk8s-agent.ts';

const signal = new AbortController().signal;

/** Answers so often, or fails with this code. */
function clientThat(outcome: 'answers' | ConstructorParameters<typeof ImgctlError>[0]) {
  const told = { asked: 0 };
  const answer = async () => {
    told.asked += 1;
    if (outcome !== 'answers') throw new ImgctlError(outcome, outcome);
    return {};
  };
  const client = { describe: answer, images: answer, removeImage: answer } as unknown as AgentClient;
  return { client, told };
}

function driversWith(driver: Driver, env: Record<string, string> = {}, microk8sTokenFile?: string) {
  const notes: string[] = [];
  const warnings: string[] = [];
  const reporter = {
    note: (text: string) => notes.push(text),
    warn: (text: string) => warnings.push(text),
  } as unknown as Reporter;
  const io = { env } as unknown as ConstructorParameters<typeof NodeDrivers>[1];
  const settings = { driver, discoverForced: false, exclude: [], microk8sTokenFile };
  return { notes, warnings, drivers: new NodeDrivers(settings, io, reporter) };
}

function node(url = new URL('https://127.0.0.1:1')) {
  return { name: 'n', address: url.host, url };
}

describe('the driver', () => {
  it('auto asks an agent of ours once, and hands on its answer', async () => {
    const { client, told } = clientThat('answers');
    const ways = driversWith('auto').drivers.waysTo(node(), client);

    expect(await ways.findArchiveNode?.(signal)).toBeUndefined();
    await ways.node.describe(signal);

    expect(told.asked).toBe(1);
    await ways.node.describe(signal);
    expect(told.asked).toBe(2);
  });

  it('auto leaves the error of a node that is down, or of a stranger, to whoever asks next', async () => {
    for (const code of ['node_unreachable', 'node_untrusted', 'node_unauthorized'] as const) {
      const { client, told } = clientThat(code);
      const ways = driversWith('auto').drivers.waysTo(node(), client);

      expect(await ways.findArchiveNode?.(signal)).toBeUndefined();
      await expect(ways.node.describe(signal)).rejects.toMatchObject({ code });
      expect(told.asked).toBe(1);
    }
  });

  it('auto finds MicroK8s where a stranger answers as it does, and says so once', async () => {
    await using cluster = await makeMicrok8sCluster();
    await using agent = await startMicrok8sAgent({ cluster, importer: anyArchive });
    const { drivers, notes } = driversWith('auto', { SNAP_DATA: cluster.snapData });
    for (const code of ['node_untrusted', 'node_not_agent'] as const) {
      const found = await drivers.waysTo(node(agent.url), clientThat(code).client).findArchiveNode?.(signal);
      await found?.check(signal);
      expect(found?.deadlineMs).toBe(240_000);
    }
    expect(notes).toHaveLength(1);
  });

  it('warns of a copy of the callback token that everybody can read', async () => {
    await using cluster = await makeMicrok8sCluster();
    for (const [mode, warned] of [
      [0o600, 0],
      [0o644, 1],
    ] as const) {
      await chmod(cluster.tokenFile, mode);
      const { drivers, warnings } = driversWith('auto', {}, cluster.tokenFile);
      await drivers.prepare();
      expect(warnings).toHaveLength(warned);
    }
  });

  it('imgctl looks for nothing else, and microk8s asks no agent of ours', async () => {
    const { client, told } = clientThat('answers');

    expect(driversWith('imgctl').drivers.waysTo(node(), client).findArchiveNode).toBeUndefined();
    expect(
      await driversWith('microk8s').drivers.waysTo(node(), client).findArchiveNode?.(signal),
    ).toBeDefined();
    expect(told.asked).toBe(0);
  });
});
