/**
 * The port of everything that knows which nodes there are. Adapters: static (a list, or the agent of this machine),
 * kubernetes (the API server of a kubeconfig), dns (SRV, A and AAAA records).
 *
 * Promises: names and addresses are unique, printable and valid; nothing is asked whether it answers.
 * May import: errors; undici and KubeConfig for Kubernetes.
 */
export interface Discovery {
  /** @throws ImgctlError `usage`, `discovery_failed` */
  find(signal?: AbortSignal): Promise<Discovered>;
}

export interface Discovered {
  readonly nodes: readonly DiscoveredNode[];
  /** How they were found, where the user did not name them. */
  readonly note?: string | undefined;
}

export interface DiscoveredNode {
  /** What reports call it. */
  readonly name: string;
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  /** Where its agent is spoken to. */
  readonly url: URL;
  /** What the cluster says of it; absent where it was merely named. */
  readonly cluster?: ClusterFacts | undefined;
}

/** A node as Kubernetes sees it. */
export interface ClusterFacts {
  readonly ready: boolean;
  readonly cordoned: boolean;
  /** `linux/arm64` */
  readonly platform?: string | undefined;
  /** As the kubelet reports it: `containerd://1.7.24`, `cri-o://1.30.4`, `docker://27.0.3`. */
  readonly runtime?: string | undefined;
}

/** How a node's agent is spoken to where its entry does not say. */
export interface AgentAddressing {
  /** Of entries that name no port. */
  readonly defaultPort: number;
  /** Whether an authority was given that agents are verified against: then loopback, too, is spoken to over TLS. */
  readonly tls?: boolean | undefined;
}
