import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { openContainerdStore } from '../../../src/store/containerd/containerd-store.ts';
import { type AgentProcess, startAgent } from '../../support/agent-process.ts';
import { becomes } from '../../support/becomes.ts';
import { imageOf, seededBytes } from '../../support/blobs.ts';
import { runCli } from '../../support/cli.ts';
import { everyLeaseEnds, withContainerd } from '../../support/containerd/with-containerd.ts';
import { describeContainerd } from '../../support/require-containerd.ts';
import { ociArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

describeContainerd('an images directory whose work breaks off', (generation) => {
  const here = withContainerd(generation);

  const open = () => openContainerdStore({ address: here.daemon.socket, namespace: 'k8s.io' });
  /** Large enough that something can happen meanwhile. */
  const archive = (name: string) =>
    ociArchive(imageOf([1, 2, 3, 4].map((n) => seededBytes(`${name} ${n}`, 8_000_000))), name);

  it('because the agent is killed, goes on when it is started again', async () => {
    const images = join(here.directory, 'killed');
    await mkdir(images);
    for (const [name, bytes] of [
      ['plain.tar', archive('killed-plain:1')],
      ['packed.tgz', gzipSync(archive('killed-packed:1'), { level: 1 })],
    ] as const) {
      await writeFile(join(images, name), bytes);
      await utimes(join(images, name), 1_700_000_000, 1_700_000_000);
    }
    const agent = await startAgent({
      store: `containerd:${here.daemon.socket}`,
      args: ['--images-dir', images],
    });
    try {
      await becomes(
        () => agent.log(),
        (log) => log.split('Importing images from').length > 2,
      );
      await agent.kill('SIGKILL');
      await agent.restart();

      await becomes(
        () => statesOf(agent),
        (states) => states.length === 2 && states.every((state) => state === 'ready'),
      );
      await using store = await open();
      expect(await tagsIn(store)).toEqual(
        expect.arrayContaining(['docker.io/library/killed-packed:1', 'docker.io/library/killed-plain:1']),
      );
      await everyLeaseEnds(here.daemon, 'k8s.io');
    } finally {
      await agent.stop();
    }
  });

  it('because containerd is killed, goes on when that is there again', async () => {
    await using node = await ImagesNode.start({ open }, async (directory) => {
      await writeFile(`${directory}/plain.tar`, archive('crash-plain:1'));
      await writeFile(`${directory}/packed.tgz`, gzipSync(archive('crash-packed:1'), { level: 1 }));
    });
    await becomes(
      () => node.messages('Importing images from'),
      ({ length }) => length > 0,
    );
    await here.daemon.kill();
    await here.daemon.restart();

    for (const name of ['plain.tar', 'packed.tgz']) await node.ready(name);
    expect(await tagsIn(node.store)).toEqual(
      expect.arrayContaining(['docker.io/library/crash-packed:1', 'docker.io/library/crash-plain:1']),
    );
    await everyLeaseEnds(here.daemon, 'k8s.io');
  });
});

async function statesOf({ address, tokenFile }: AgentProcess): Promise<readonly string[]> {
  const { stdout } = await runCli([
    ...['images', 'dir', 'status', '--output', 'json'],
    ...['--nodes', address, '--token-file', tokenFile],
  ]);
  const [node] = (JSON.parse(stdout) as { nodes: { files: { state: string }[] }[] }).nodes;
  return node?.files.map(({ state }) => state) ?? [];
}
