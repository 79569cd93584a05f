import { statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { ImgctlError } from '../../errors.ts';
import { hostPlatform, normalizePlatform, type Platform } from '../../image/platform.ts';
import { introspection, type Plugin, version } from './api/introspection.ts';
import { criFilesystems, criNamespace } from './cri-images.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';

/** What is asked of a daemon once: it changes only with its configuration. */
export interface StoreFacts {
  readonly snapshotter: string;
  readonly platforms: readonly Platform[];
  /** Where blobs lie. */
  readonly contentRoot: string | undefined;
  readonly cri: boolean;
}

const snapshotterType = 'io.containerd.snapshotter.v1';

/** @throws ImgctlError `usage` for a snapshotter that the daemon does not have */
export async function learnFacts(
  connection: Connection,
  wanted: string | undefined,
  options: CallOptions = {},
): Promise<StoreFacts> {
  const filters = [snapshotterType, 'io.containerd.content.v1', 'io.containerd.runtime.v2'];
  const [{ plugins }, filesystems] = await Promise.all([
    connection.unary(introspection.plugins, { filters: filters.map((type) => `type==${type}`) }, options),
    criFilesystems(connection, options),
  ]);
  const usable = plugins.filter(({ initError }) => initError === undefined);
  const snapshotters = usable.filter(({ type }) => type === snapshotterType);
  const snapshotter = chooseSnapshotter(wanted, snapshotters, filesystems?.[0]);
  return {
    snapshotter,
    platforms: platformsOf(usable, snapshotter),
    contentRoot: usable.find(({ id }) => id === 'content')?.exports.root,
    cri: filesystems !== undefined && connection.namespace === criNamespace,
  };
}

/** The one that is asked for; else the one that the CRI unpacks to; else containerd's own default. */
function chooseSnapshotter(
  wanted: string | undefined,
  snapshotters: readonly Plugin[],
  criMountpoint: string | undefined,
): string {
  const ids = snapshotters.map(({ id }) => id);
  if (wanted !== undefined && !ids.includes(wanted)) {
    throw new ImgctlError('usage', `this containerd has no snapshotter ${JSON.stringify(wanted)}`, {
      hint: `It has: ${ids.join(', ')}.`,
      context: { wanted, available: ids },
    });
  }
  const ofCri = criMountpoint && basename(criMountpoint).replace(`${snapshotterType}.`, '');
  const candidates = [wanted, ofCri, 'overlayfs', 'native'];
  return candidates.find((id) => id !== undefined && ids.includes(id)) ?? ids[0] ?? 'overlayfs';
}

/** What the daemon's task runtime takes, else what its snapshotter takes, else what this program runs on: the same machine. */
function platformsOf(plugins: readonly Plugin[], snapshotter: string): Platform[] {
  const runtime = plugins.find(({ type, id }) => type === 'io.containerd.runtime.v2' && id === 'task');
  const unpacks = plugins.find(({ type, id }) => type === snapshotterType && id === snapshotter);
  const said = [runtime, unpacks].map((plugin) => plugin?.platforms ?? []).find(({ length }) => length > 0);
  if (said === undefined) return [{ ...hostPlatform(), os: 'linux' }];
  return said.map(({ os, architecture, variant }) =>
    normalizePlatform({ os, architecture, variant: variant || undefined }),
  );
}

/** `2.1.9`, without the `v` and the marks of a distribution. */
export async function daemonVersion(connection: Connection, options: CallOptions = {}): Promise<string> {
  const answer = await connection.unary(version.version, {}, options);
  return answer.version.replace(/^v/, '').replace(/[~+].*$/, '');
}

/**
 * Free bytes for unprivileged users, as df(1) shows, where blobs lie or will lie: containerd 1.7 makes the directory
 * with the first blob. Undefined where nothing of the path can be seen from here.
 */
export async function freeBytesAt(directory: string | undefined): Promise<number | undefined> {
  if (directory === undefined) return undefined;
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch {
    const parent = dirname(directory);
    // The root is there always: in a container, though, it is another file system than the daemon's
    return dirname(parent) === parent ? undefined : freeBytesAt(parent);
  }
}
