import type { ClusterFacts } from '../discovery/discovery.ts';
import { ImgctlError } from '../errors.ts';

/** Runtimes as the kubelet names them, with what people call them and where their images come from. */
const others: Readonly<Record<string, readonly [name: string, hint: string]>> = {
  'cri-o': ['CRI-O', 'On such a node podman load, run as root, puts an archive where CRI-O finds it.'],
  docker: [
    'Docker (through cri-dockerd)',
    'On such a node docker load puts an archive where the kubelet finds it.',
  ],
};

/**
 * What the cluster says of the node is enough to know that no agent can help there. Of a node that was merely named
 * nothing is known, and the agent's own answer decides.
 * @throws ImgctlError `runtime_unsupported`
 */
export function mustRunContainerd(cluster: ClusterFacts | undefined): void {
  const { platform, runtime } = cluster ?? {};
  if (platform?.startsWith('windows/')) {
    throw new ImgctlError('runtime_unsupported', `it is a Windows node (${platform}), imgctl needs Linux`, {
      hint: 'Leave Windows nodes out: --selector kubernetes.io/os=linux.',
      context: { phase: 'check', platform },
    });
  }
  const [, kind = '', version = ''] = /^([a-z0-9.-]+):\/\/(.*)$/i.exec(runtime ?? '') ?? [];
  // A runtime that nobody named may be containerd all the same
  if (kind === '' || kind.toLowerCase() === 'containerd') return;
  const [name, advice] = others[kind.toLowerCase()] ?? [kind, ''];
  throw new ImgctlError(
    'runtime_unsupported',
    `it runs ${name}${version === '' ? '' : ` ${version}`}, imgctl needs containerd`,
    {
      hint: `Leave such nodes out with --exclude or --selector. ${advice}`.trim(),
      context: { phase: 'check', runtime },
    },
  );
}
