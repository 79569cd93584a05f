import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { becomes } from '../becomes.ts';
import { type ContainerdDaemon, type Generation, startContainerd } from './daemon.ts';

/** A daemon, and a directory for files, while the tests of a suite run: not to be touched before. */
export interface WithContainerd {
  readonly daemon: ContainerdDaemon;
  readonly directory: string;
}

export function withContainerd(generation: Generation): WithContainerd {
  let daemon: ContainerdDaemon;
  let directory: string;
  beforeAll(async () => {
    daemon = await startContainerd(generation);
    directory = await mkdtemp(join(tmpdir(), 'imgctl-containerd-test-'));
  });
  afterAll(async () => {
    await daemon?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });
  return {
    get daemon() {
      return daemon;
    },
    get directory() {
      return directory;
    },
  };
}

/** Waits until no lease of a namespace is left, but those that end by themselves. @throws Error with what is left */
export async function everyLeaseEnds(daemon: ContainerdDaemon, namespace: string): Promise<void> {
  await becomes(
    () => daemon.leases(namespace),
    (all) => all.every(({ labels }) => 'containerd.io/gc.expire' in labels),
  );
}
