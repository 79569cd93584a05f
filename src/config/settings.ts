/**
 * config/ reads what a user has settled for: options, environment variables and the configuration file, as plain
 * values. It opens no connection and reads no secret: certificates, keys and tokens are files that are named here.
 *
 * Promises: what is wrong is refused with its place (option, variable, or file, line and column) and what is allowed;
 * a file is written whole or not at all, with its comments and its order. May import: errors, image, yaml, zod.
 */

/** What the nodes are and how they are spoken to, wherever it was said. Paths are absolute or the user's own. */
export interface SettingValues {
  /** `[name=][http[s]://]host[:port]`, apart by commas or white space. */
  readonly nodes?: string | undefined;
  /** `kubernetes`, `dns:NAME` or `local`. */
  readonly discover?: string | undefined;
  /** A label selector, as kubectl takes it. */
  readonly selector?: string | undefined;
  /** Names or addresses of nodes to leave out. */
  readonly exclude?: readonly string[] | undefined;
  readonly kubeconfig?: string | undefined;
  /** A context of the kubeconfig. */
  readonly kubeContext?: string | undefined;
  /** Where agents listen that were found without a port. */
  readonly agentPort?: number | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly driver?: Driver | undefined;
  readonly microk8sTokenFile?: string | undefined;
  readonly microk8sCaFile?: string | undefined;
}

export type SettingName = keyof SettingValues;

/** What a command needs to know to speak to a cluster. Files are named here, not read. */
export interface ClusterSettings extends SettingValues {
  /** Whether `discover` was said on the command line: then `nodes` narrows what it finds. */
  readonly discoverForced: boolean;
  readonly exclude: readonly string[];
  readonly driver: Driver;
  /** Who said what; of what nobody said there is none. */
  readonly origins?: Origins | undefined;
}

export type Origins = Readonly<Partial<Record<SettingName, Origin>>>;

export type Origin =
  | { readonly kind: 'option'; readonly name: string }
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string; readonly line: number };

/** As an error names it: `--nodes`, `IMGCTL_NODES`, `/home/me/.config/imgctl/config.yaml:7`. */
export function originText(origin: Origin): string {
  return origin.kind === 'file' ? `${origin.path}:${origin.line}` : origin.name;
}

export const drivers = ['auto', 'imgctl', 'microk8s'] as const;
/** What nodes are spoken to as; `auto`: as what they turn out to be. */
export type Driver = (typeof drivers)[number];
