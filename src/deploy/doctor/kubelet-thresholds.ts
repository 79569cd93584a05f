import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

/**
 * When the kubelet collects images: above `high` per cent of their file system's use it removes unused ones until
 * `low` is reached (KubeletConfiguration: imageGCHighThresholdPercent, imageGCLowThresholdPercent).
 */
export interface KubeletThresholds {
  readonly high: number;
  readonly low: number;
  /** The file that says so; absent: the kubelet's own defaults. */
  readonly from?: string | undefined;
  /** A file that is there and could not be read or understood. */
  readonly unreadable?: string | undefined;
}

const defaults = { high: 85, low: 80 };

type Found = { readonly high?: number | undefined; readonly low?: number | undefined };

/** Where each distribution keeps it. The first file that is there is the one that counts: a node has one kubelet. */
const places: readonly { readonly path: string; readonly read: (text: string) => Found }[] = [
  { path: '/etc/rancher/k3s/config.yaml', read: fromRancher },
  { path: '/etc/rancher/rke2/config.yaml', read: fromRancher },
  { path: '/var/snap/microk8s/current/args/kubelet', read: fromFlags },
  { path: '/var/lib/kubelet/config.yaml', read: fromKubelet },
];

/** Undefined where nothing of a kubelet is to be seen below `root`. Throws nothing. */
export async function kubeletThresholds(root = '/'): Promise<KubeletThresholds | undefined> {
  for (const { path, read } of places) {
    let text: string;
    try {
      text = await readFile(join(root, path), 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') continue;
      return { ...defaults, unreadable: path };
    }
    try {
      const { high, low } = read(text);
      if (high === undefined && low === undefined) return { ...defaults };
      return { high: high ?? defaults.high, low: low ?? defaults.low, from: path };
    } catch {
      return { ...defaults, unreadable: path };
    }
  }
  return (await isThere(root, kubeletDirs)) ? { ...defaults } : undefined;
}

/** Signs of a kubelet whose configuration says nothing: K3s and RKE2 need no file. */
const kubeletDirs = ['/var/lib/rancher/k3s/agent', '/var/lib/rancher/rke2/agent', '/var/lib/kubelet/pki'];

async function isThere(root: string, paths: readonly string[]): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => stat(join(root, path)).catch(() => undefined)));
  return found.some((stats) => stats !== undefined);
}

function fromKubelet(text: string): Found {
  const { imageGCHighThresholdPercent, imageGCLowThresholdPercent } = mapping(text);
  return { high: percent(imageGCHighThresholdPercent), low: percent(imageGCLowThresholdPercent) };
}

/** K3s and RKE2 pass on the flags in `kubelet-arg`: one, or a list. */
function fromRancher(text: string): Found {
  const document = mapping(text);
  const args = [document['kubelet-arg'], document['kubelet-arg+']].flat();
  return fromFlags(args.map((arg) => `--${String(arg).replace(/^--/, '')}`).join('\n'));
}

function fromFlags(text: string): Found {
  const flag = (name: string) =>
    percent([...text.matchAll(new RegExp(`^\\s*--${name}[= ]"?(\\d+)"?\\s*$`, 'gm'))].at(-1)?.[1]);
  return { high: flag('image-gc-high-threshold'), low: flag('image-gc-low-threshold') };
}

function mapping(text: string): Readonly<Record<string, unknown>> {
  const document: unknown = parse(text);
  return typeof document === 'object' && document !== null ? (document as Record<string, unknown>) : {};
}

function percent(value: unknown): number | undefined {
  const n = value === undefined || value === null ? Number.NaN : Number(value);
  return n >= 0 && n <= 100 ? n : undefined;
}
