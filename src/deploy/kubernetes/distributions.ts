/** Where each Kubernetes keeps containerd's socket, and what its agents can listen on. */

export interface Distribution {
  readonly socket: string;
  /** The agent's port. MicroK8s's own cluster agent has 25000. */
  readonly port: number;
}

const usual: Distribution = { socket: '/run/containerd/containerd.sock', port: 25_000 };
const rancher: Distribution = { ...usual, socket: '/run/k3s/containerd/containerd.sock' };

export const distributions = {
  kubeadm: usual,
  k3s: rancher,
  rke2: rancher,
  k0s: { ...usual, socket: '/run/k0s/containerd.sock' },
  microk8s: { socket: '/var/snap/microk8s/common/run/containerd.sock', port: 25_001 },
} as const satisfies Record<string, Distribution>;

export type DistributionName = keyof typeof distributions;

export const distributionNames = Object.keys(distributions) as readonly DistributionName[];
