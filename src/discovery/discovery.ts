/**
 * The port of everything that knows which nodes there are. Adapters: static (a list, or the agent of this machine);
 * Kubernetes and DNS come later.
 *
 * Promises: names and addresses are unique, printable and valid; nothing is asked whether it answers.
 * May import: errors.
 */
export interface Discovery {
  /** @throws ImgctlError `usage` */
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
}
