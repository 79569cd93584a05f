import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** One containerd that `install.sh` brought. */
export interface Generation {
  /** its major and minor version, `1.6` */
  name: string;
  /** the folder of its binaries */
  bin: string;
}

/** Oldest first. None when they are not installed, or when we are not root, without whom containerd does not run. */
export function generations(): Generation[] {
  if (process.getuid?.() !== 0) return [];
  const home = process.env.IMGCTL_CONTAINERD_HOME || '/var/cache/imgctl-test/containerd';
  if (!existsSync(home)) return [];
  return readdirSync(home)
    .filter((name) => /^\d+\.\d+$/.test(name))
    .map((name) => ({ name, bin: join(home, name, 'usr/bin') }))
    .filter(({ bin }) => existsSync(join(bin, 'containerd')))
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}
