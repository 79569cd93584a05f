import { type Command, Option } from 'commander';
import { checkDiscover } from '../config/discover.ts';
import { type Driver, drivers } from '../config/settings.ts';
import { outputFormats } from '../output/create-reporter.ts';
import { addNames, addPlatforms, parseCount, parseDuration, parseRate } from './parse-values.ts';

/** The options that several commands share, each in one place: name, meaning, parser and type. */

export interface OutputOptions {
  readonly output: (typeof outputFormats)[number];
  readonly quiet?: boolean;
  readonly progress: boolean;
  readonly color: boolean;
}

/** `flags`: without `-o` where that says something else. */
export function addOutputOptions(command: Command, flags = '-o, --output <format>'): Command {
  return command
    .addOption(
      new Option(flags, 'text, one JSON document, or an event a line').choices(outputFormats).default('text'),
    )
    .option('-q, --quiet', 'show errors only (a listing: names only)')
    .option('--no-progress', 'no progress, only the result')
    .option('--no-color', 'no colors (as the environment variable NO_COLOR)');
}

/** Which nodes, and how they are spoken to. What is absent comes from the environment or the configuration file. */
export interface NodeOptions {
  readonly nodes?: string;
  readonly discover?: string;
  readonly selector?: string;
  readonly exclude?: string[];
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly agentPort?: number;
  readonly caFile?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly tokenFile?: string;
  readonly config?: string;
  readonly driver?: Driver;
  readonly microk8sTokenFile?: string;
  readonly microk8sCa?: string;
}

export function addNodeOptions(command: Command): Command {
  return command
    .option('--nodes <list>', 'nodes, apart by commas: [name=][http://]host[:port] (env: IMGCTL_NODES)')
    .addOption(
      new Option(
        '--discover <how>',
        'kubernetes, dns:NAME or local; --nodes then narrows what is found (env: IMGCTL_DISCOVER)',
      ).argParser(checkDiscover),
    )
    .option('--selector <labels>', 'only Kubernetes nodes with these labels')
    .option('--exclude <nodes>', 'leave these nodes out, by name or address', addNames)
    .option('--kubeconfig <file>', 'which kubeconfig to list nodes with (default: wherever it is)')
    .option('--context <name>', 'which context of the kubeconfig')
    .addOption(
      new Option(
        '--agent-port <port>',
        'where agents listen (default: 25000; env: IMGCTL_AGENT_PORT)',
      ).argParser(parseCount(1, 65_535)),
    )
    .option('--ca-file <file>', 'authority that signed the certificates of agents (env: IMGCTL_CA_FILE)')
    .option('--cert <file>', "the command's own certificate, for agents that want one (env: IMGCTL_CERT)")
    .option('--key <file>', 'its private key (env: IMGCTL_KEY)')
    .option('--token-file <file>', "file with the cluster's token (env: IMGCTL_TOKEN_FILE)")
    .option('--config <file>', 'configuration file (env: IMGCTL_CONFIG)')
    .addOption(
      new Option(
        '--driver <driver>',
        'what nodes are spoken to as (default: what they turn out to be; env: IMGCTL_DRIVER)',
      ).choices(drivers),
    )
    .option(
      '--microk8s-token-file <file>',
      "MicroK8s's callback token (default: found on a MicroK8s node; env: IMGCTL_MICROK8S_TOKEN_FILE)",
    )
    .option('--microk8s-ca <file>', 'certificates that MicroK8s nodes may show (env: IMGCTL_MICROK8S_CA)');
}

export interface PlatformOptions {
  readonly platform?: readonly string[];
  readonly allPlatforms?: boolean;
}

export function addPlatformOptions(command: Command, byDefault: string): Command {
  return command
    .addOption(
      new Option(
        '--platform <platform>',
        `os/architecture[/variant]; again or with commas for several (default: ${byDefault})`,
      ).argParser(addPlatforms),
    )
    .addOption(new Option('--all-platforms', 'every platform that is there').conflicts('platform'));
}

/** As a declaration has them: absent is what each node runs. */
export function platformsOf({ platform, allPlatforms }: PlatformOptions): string[] | undefined {
  if (allPlatforms) return ['all'];
  return platform === undefined ? undefined : [...platform];
}

/** Of a command that reads archives. */
export interface SpoolOptions {
  readonly spoolDir?: string;
}

export function addSpoolOption(command: Command): Command {
  return command.option(
    '--spool-dir <dir>',
    "where a pipe or a compressed archive is kept meanwhile (default: the system's)",
  );
}

export interface ImportOptions extends PlatformOptions, OutputOptions, SpoolOptions {
  readonly retries: number;
  readonly stallTimeout: number;
  /** Absent: what suits. */
  readonly concurrency?: number;
  readonly pin?: boolean;
  readonly unpack: boolean;
  readonly tag?: string;
  readonly verifyKey?: string;
}

/** How images are brought, from wherever they come. */
export function addBringingOptions(command: Command): Command {
  return command
    .option('--no-unpack', 'do not unpack: the first container of an image waits for it')
    .addOption(
      new Option('--retries <n>', 'how often a node that fails is tried again')
        .argParser(parseCount(0, 100))
        .default(3),
    )
    .addOption(
      new Option('--stall-timeout <duration>', 'longest time without a byte or a sign of work (ms, s, m, h)')
        .argParser(parseDuration)
        .default(30_000, '30s'),
    );
}

/** What importing takes, into the nodes of a cluster as into the store of this machine. */
export function addImportOptions(command: Command): Command {
  addPlatformOptions(command, 'what the node runs')
    .option('--tag <reference>', 'name for the one image in the archive, in place of its own')
    .option(
      '--verify-key <file>',
      'take signed bundles only: minisign public key that they must be signed with',
    )
    .option('--pin', "keep the images through the kubelet's garbage collection");
  return addSpoolOption(
    addBringingOptions(command).addOption(
      new Option(
        '--concurrency <n>',
        'blobs in flight at once, for each node (default: 4); where nodes pass them on, over each link (default: by their number)',
      ).argParser(parseCount(1, 64)),
    ),
  );
}

/** Of a command whose nodes send to each other, and which may send to them itself. */
export interface RateOptions {
  /** Bytes a second. */
  readonly maxRate?: number;
}

export function maxRateOption(): Option {
  return new Option(
    '--max-rate <rate>',
    'bound of what goes out of this machine, and of each agent to others: 200M is 200 Mbit/s, 25MB bytes a second',
  ).argParser(parseRate);
}

export interface StoreOptions {
  readonly address?: string;
  readonly namespace?: string;
  readonly snapshotter?: string;
}

/** As ctr has them: also before the subcommand, where they stand on the command `ctr`. */
export function addStoreOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '-a, --address <socket>',
        "containerd's socket, or oci:DIR (env: CONTAINERD_ADDRESS; default: wherever it is)",
      ),
    )
    .addOption(
      new Option(
        '-n, --namespace <name>',
        "containerd's namespace (env: CONTAINERD_NAMESPACE; default: k8s.io)",
      ),
    );
}
