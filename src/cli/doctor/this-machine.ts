import { readFileSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../agent/open-store.ts';
import { gcDanger, imageDisk } from '../../deploy/doctor/image-disk.ts';
import { kubeletThresholds } from '../../deploy/doctor/kubelet-thresholds.ts';
import { pathsBelow } from '../../deploy/systemd/node-paths.ts';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import { formatBytes } from '../../output/format.ts';
import { defaultTrustDirs, trustFiles } from '../../trust/default-files.ts';
import { defaultDataDir, isReadableByAll, readToken, tokenFileIn } from '../../trust/token-file.ts';
import type { CliIo } from '../context.ts';
import { programVersion } from '../version.ts';
import { below } from './below.ts';
import { certificates } from './certificates.ts';
import type { Check, Findings } from './check.ts';
import { service } from './service.ts';

export interface MachineOptions {
  readonly io: CliIo;
  /** `/`, but in a test. */
  readonly root: string;
  /** Whether this machine should have containerd and an agent: no other nodes are named or found. */
  readonly isNode: boolean;
  readonly caFile?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/** What can be seen of this machine without asking another. */
export function machineChecks(options: MachineOptions): Check[] {
  const { io, root } = options;
  const unit = unitText(root);
  const isNode = options.isNode || unit !== undefined;
  const needsContainerd = isNode && !unit?.includes(' --store oci:');
  return [
    { what: 'imgctl', run: async () => program() },
    { what: 'containerd', run: (signal) => containerd(io, needsContainerd, signal) },
    { what: 'agent service', run: (signal) => service(options, isNode, signal) },
    { what: 'image garbage collection', run: () => garbageCollection(root) },
    { what: 'token', run: () => token(options) },
    { what: 'certificates', run: () => certificates(options) },
  ];
}

function unitText(root: string): string | undefined {
  try {
    return readFileSync(pathsBelow(root).unit, 'utf8');
  } catch {
    return undefined;
  }
}

function program(): Findings {
  const { version, platform, arch } = process;
  return { status: 'ok', detail: `${programVersion()}, Node.js ${version}, ${platform} ${arch}` };
}

async function containerd({ env }: CliIo, needed: boolean, signal: AbortSignal): Promise<Findings> {
  const choice = { namespace: env.CONTAINERD_NAMESPACE || 'k8s.io', snapshotter: env.CONTAINERD_SNAPSHOTTER };
  try {
    await using store = await openStore(choice, { env, signal });
    const { version, snapshotter, address, freeBytes, cri, namespace } = await store.info(signal);
    const free = freeBytes === undefined ? '' : `, ${formatBytes(freeBytes)} free`;
    const detail = `${version} at ${address}, snapshotter ${snapshotter ?? 'none'}${free}`;
    if (freeBytes !== undefined && freeBytes < 1024 ** 3)
      return { status: 'warn', detail, hint: 'There is hardly room for an image: make some.' };
    if (cri) return { status: 'ok', detail };
    const hint = `The kubelet's interface (CRI) is not served in namespace ${namespace}: pods may not see what is imported.`;
    return { status: 'warn', detail, hint };
  } catch (thrown) {
    const { code, message, hint } = signal.aborted ? mute : toImgctlError(thrown);
    if (needed) return { status: 'fail', detail: message, hint };
    return code === 'store_not_found'
      ? { status: 'ok', detail: 'none here, and none needed: images go elsewhere' }
      : { status: 'warn', detail: message, hint };
  }
}

const mute = new ImgctlError('store_unreachable', 'it does not answer', {
  hint: 'See systemctl status containerd, and its log.',
});

async function garbageCollection(root: string): Promise<Findings> {
  const [thresholds, disk] = await Promise.all([kubeletThresholds(root), imageDisk(root)]);
  if (thresholds === undefined) return { status: 'ok', detail: 'no kubelet here' };
  const { high, low, from, unreadable } = thresholds;
  const source =
    unreadable === undefined ? (from ?? "the kubelet's defaults") : `${unreadable} cannot be read`;
  const limits = `above ${high} % down to ${low} % (${source})`;
  if (disk === undefined) return { status: 'ok', detail: limits };
  const danger = gcDanger(disk.used, thresholds);
  const detail = `${limits}; ${disk.path} is ${disk.used} % full, ${formatBytes(disk.freeBytes)} free`;
  if (danger === 'none') return { status: 'ok', detail };
  const when = danger === 'above' ? 'collects unused images now' : 'is about to collect unused images';
  const hint = `The kubelet ${when}, imported ones too: make room, and import with --pin what must stay.`;
  return { status: 'warn', detail, hint };
}

/** The one that commands show: named, or found. */
async function token({ io: { env }, root, tokenFile }: MachineOptions): Promise<Findings> {
  const usual = [
    ...defaultTrustDirs(env).map((dir) => join(below(root, dir), trustFiles.token)),
    ...[defaultDataDir(env), '/var/lib/imgctl'].map((dir) => tokenFileIn(below(root, dir))),
  ];
  const hidden: string[] = [];
  for (const path of tokenFile === undefined ? new Set(usual) : [tokenFile]) {
    try {
      await access(path, constants.R_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') hidden.push(path);
      if (tokenFile === undefined) continue;
    }
    await readToken(path);
    if (!(await isReadableByAll(path))) return { status: 'ok', detail: path };
    const hint = `chmod 600 ${path}, and imgctl token rotate where strangers use this machine.`;
    return { status: 'warn', detail: `every user of this machine can read ${path}`, hint };
  }
  if (hidden.length > 0)
    return { status: 'warn', detail: `this user may not read ${hidden.join(', ')}`, hint: 'Use sudo.' };
  const hint = 'imgctl init makes one for a cluster; an agent without one makes its own when it starts.';
  return { status: 'warn', detail: 'none found', hint };
}
