import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, lutimes, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface BusyboxImage {
  /** the image's whole name: `docker.io/library/busybox-test:1` */
  tag: string;
}

/**
 * A small real image as an OCI archive: one gzipped layer with /bin/busybox and the names sh, echo and cat for it,
 * no entrypoint, this machine's platform. The same input gives the same digests, on any day.
 *
 * @returns the archive's absolute path, in `dir`; built once per folder and tag
 */
export const busyboxOciArchive = (dir: string, image: BusyboxImage): Promise<string> =>
  busyboxArchive(dir, image, 'oci-archive');

/** The same image as `docker save` writes it: its layer is not compressed. */
export const busyboxDockerArchive = (dir: string, image: BusyboxImage): Promise<string> =>
  busyboxArchive(dir, image, 'docker-archive');

async function busyboxArchive(dir: string, { tag }: BusyboxImage, format: string): Promise<string> {
  const archive = resolve(dir, `busybox-${format}-${tag.replaceAll(/[^\w.]/g, '_')}.tar`);
  if (existsSync(archive)) return archive;

  await mkdir(dir, { recursive: true });
  const scratch = await mkdtemp(resolve(dir, '.building-'));
  try {
    const layout = await busyboxLayout(scratch);
    const unfinished = join(scratch, 'archive.tar');
    await run('skopeo', ['--insecure-policy', 'copy', `oci:${layout}`, `${format}:${unfinished}:${tag}`]);
    // Two test files may build into one folder at once: either result is good, a half-written one is not.
    await rename(unfinished, archive);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return archive;
}

/** An OCI layout with the image, named `path:name` as umoci and skopeo do. */
async function busyboxLayout(scratch: string): Promise<string> {
  const bin = join(scratch, 'bin');
  await mkdir(bin);
  await copyFile('/bin/busybox', join(bin, 'busybox'));
  await chmod(join(bin, 'busybox'), 0o755);
  const applets = ['sh', 'echo', 'cat'];
  for (const applet of applets) await symlink('busybox', join(bin, applet));
  // The layer holds the times, and so do the digests.
  for (const name of ['busybox', ...applets, '.']) await lutimes(join(bin, name), 0, 0);

  const layout = join(scratch, 'layout');
  const image = `${layout}:busybox`;
  const epoch = '1970-01-01T00:00:00Z';
  await run('umoci', ['init', '--layout', layout]);
  await run('umoci', ['new', '--image', image]);
  await run('umoci', ['insert', '--history.created', epoch, '--image', image, bin, '/bin']);
  await run('umoci', ['config', '--no-history', '--created', epoch, '--image', image]);
  return image;
}
