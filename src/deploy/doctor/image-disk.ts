import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeletThresholds } from './kubelet-thresholds.ts';

/** The file system that images lie on, by where each distribution keeps containerd's root; the usual one last. */
const imageRoots = [
  '/var/lib/rancher/k3s/agent/containerd',
  '/var/lib/rancher/rke2/agent/containerd',
  '/var/snap/microk8s/common/var/lib/containerd',
  '/var/lib/k0s/containerd',
  '/var/lib/containerd',
];

export interface ImageDisk {
  readonly path: string;
  readonly freeBytes: number;
  /** Per cent, as the kubelet counts: what is not available to everybody. */
  readonly used: number;
}

/** Undefined where none of the places is there, or may be seen. */
export async function imageDisk(root = '/'): Promise<ImageDisk | undefined> {
  for (const path of imageRoots) {
    try {
      const { bavail, blocks, bsize } = await statfs(join(root, path));
      if (blocks === 0) continue;
      return {
        path,
        freeBytes: bavail * bsize,
        used: Math.min(100, 100 - Math.floor((100 * bavail) / blocks)),
      };
    } catch {
      // Not there: the next one
    }
  }
  return undefined;
}

/** As near as this to the threshold, in per cent, the next import may be what crosses it. */
const near = 5;

export type GcDanger = 'none' | 'near' | 'above';

/** Whether what is imported now is likely to be collected before a pod uses it. */
export function gcDanger(used: number, { high }: Pick<KubeletThresholds, 'high'>): GcDanger {
  // 100 switches collecting off
  if (high >= 100) return 'none';
  if (used >= high) return 'above';
  return used >= high - near ? 'near' : 'none';
}
