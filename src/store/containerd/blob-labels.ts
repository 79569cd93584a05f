import type { WriteOptions } from '../store.ts';

/** The longest label that containerd takes, key and value together, in bytes. */
const longestLabel = 4096;

/**
 * `containerd.io/distribution.source.<registry>=<repository>[,…]`: where a blob can also be had, by which containerd
 * mounts it across repositories and peer-to-peer mirrors share it. What does not fit is left out: it is a hint.
 */
export function sourceLabels(repositories: WriteOptions['repositories'] = []): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const { registry, repository } of repositories) {
    const key = `containerd.io/distribution.source.${registry}`;
    const known = labels[key]?.split(',') ?? [];
    if (known.includes(repository)) continue;
    const value = [...known, repository].join(',');
    if (key.length + value.length <= longestLabel) labels[key] = value;
  }
  return labels;
}
