import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestBlob } from '../../support/blobs.ts';
import type { ContainerdDaemon } from '../../support/containerd/daemon.ts';
import { namespace } from './opened-store.ts';

/** Another process in the middle of writing a blob: it has sent `count` bytes of it, and holds its ref. */
export async function startOtherWriter(
  daemon: ContainerdDaemon,
  owner: string,
  { descriptor, bytes }: TestBlob,
  count: number,
): Promise<{ kill(): Promise<void> }> {
  const file = join(daemon.root, `blob-${descriptor.digest.slice(-12)}`);
  writeFileSync(file, bytes);
  const script = join(import.meta.dirname, 'writer-process.ts');
  const child = spawn(process.execPath, [script, daemon.socket, namespace, owner, file, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return { kill: () => kill(child) };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
