/**
 * config/ reads what a user has settled for: options, environment variables and the configuration file, as plain
 * values. It opens no connection and reads no secret. May import: errors, yaml.
 */

/** What a command needs to know to speak to a cluster, wherever it was said. Files are named here, not read. */
export interface ClusterSettings {
  /** `[name=][http[s]://]host[:port]`, apart by commas or white space. */
  readonly nodes?: string | undefined;
  /** `kubernetes`, `dns:NAME` or `local`. */
  readonly discover?: string | undefined;
  /** Whether `discover` was said on the command line: then `nodes` narrows what it finds. */
  readonly discoverForced: boolean;
  /** A label selector, as kubectl takes it. */
  readonly selector?: string | undefined;
  /** Names of nodes to leave out. */
  readonly exclude: readonly string[];
  readonly kubeconfig?: string | undefined;
  /** A context of the kubeconfig. */
  readonly kubeContext?: string | undefined;
  /** Where agents listen that were found without a port. */
  readonly agentPort?: number | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly driver: Driver;
  readonly microk8sTokenFile?: string | undefined;
  readonly microk8sCaFile?: string | undefined;
}

export const drivers = ['auto', 'imgctl', 'microk8s'] as const;
/** What nodes are spoken to as; `auto`: as what they turn out to be. */
export type Driver = (typeof drivers)[number];
