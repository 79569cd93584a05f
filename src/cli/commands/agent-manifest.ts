import { Command, Option } from 'commander';
import {
  type DistributionName,
  distributionNames,
  distributions,
} from '../../deploy/kubernetes/distributions.ts';
import { printText } from '../../output/streams.ts';
import type { CommandContext } from '../context.ts';
import { parseCount, parseRate } from '../parse-values.ts';
import { programVersion } from '../version.ts';

const examples = `
Prints a Namespace, a Secret with what imgctl init made (never the authority's own key) and a DaemonSet.
The image has to be on the nodes first, or pullable: see imgctl agent image --help. On MicroK8s agents
listen on port 25001, beside its own cluster agent: add --agent-port 25001 to commands.

After imgctl token rotate and imgctl init --renew, apply it again: agents read the new Secret within two
minutes, without a restart.

Examples:
  imgctl agent manifest | kubectl apply -f -
  imgctl agent manifest --distribution k3s | kubectl apply -f -
  imgctl agent manifest --image registry.example.com/imgctl/agent:1 --listen '[::]:25000' > agent.yaml
  imgctl agent manifest --mutual-tls | kubectl apply -f -
  imgctl agent manifest --images-dir /var/lib/rancher/k3s/agent/images | kubectl apply -f -
  imgctl agent manifest --registries /etc/rancher/k3s/registries.yaml | kubectl apply -f -`;

const imagesOfNode = { what: 'images', example: '/var/lib/rancher/k3s/agent/images' };
const hostsOfNode = { what: 'hosts.toml files', example: '/etc/containerd/certs.d' };

interface Options {
  readonly dir?: string;
  readonly image?: string;
  readonly namespace: string;
  readonly distribution: DistributionName;
  readonly storeSocket?: string;
  readonly port?: number;
  readonly listen?: string;
  readonly mutualTls?: boolean;
  readonly probePort: number;
  readonly maxRate?: string;
  readonly imagesDir?: string;
  readonly imagesDirConcurrency?: number;
  readonly imagesDirPrune?: boolean;
  readonly imagesDirVerifyKey?: string;
  readonly registries?: string;
  readonly hostsDir?: string;
}

export function agentManifestCommand(context: CommandContext): Command {
  return new Command('manifest')
    .summary('print the agent as objects for kubectl')
    .description(
      'Prints the agent as objects of Kubernetes, one for each node, ready for kubectl apply -f -.',
    )
    .option('--dir <dir>', 'what imgctl init made (default: where init puts it)')
    .option('--image <reference>', "the agent's image, pullable (default: the one of imgctl agent image)")
    .option('--namespace <name>', "the agent's namespace", 'imgctl')
    .addOption(
      new Option('--distribution <name>', "whose containerd: where its socket is, and the agent's port")
        .choices(distributionNames)
        .default('kubeadm'),
    )
    .option('--store-socket <path>', "containerd's socket on the nodes (default: the distribution's)")
    .addOption(
      new Option('--port <port>', "the agent's port (default: 25000; microk8s: 25001)").argParser(
        parseCount(1, 65_535),
      ),
    )
    .option('--listen <host:port>', "where agents listen (default: the node's address and --port)")
    .option('--mutual-tls', 'commands must show a certificate that the authority signed, beside the token')
    .addOption(
      new Option('--probe-port <port>', "the kubelet's port on 127.0.0.1, with --mutual-tls")
        .argParser(parseCount(1, 65_535))
        .default(25_009),
    )
    .addOption(
      new Option('--max-rate <rate>', 'as for agent run').argParser((text) => {
        parseRate(text);
        return text;
      }),
    )
    .option('--images-dir <dir>', 'directory of each node whose archives get into its store, read-only')
    .addOption(new Option('--images-dir-concurrency <n>', 'as for agent run').argParser(parseCount(1, 64)))
    .option('--images-dir-prune', 'as for agent run')
    .option('--images-dir-verify-key <file>', 'as for agent run: the public key goes into the manifest')
    .option('--registries <file>', 'registries.yaml that agents pull by: it goes into the Secret')
    .option('--hosts-dir <dir>', "containerd's directory of hosts.toml files on each node, read-only")
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      const { stdout, env } = context.io;
      const { agentManifest } = await import('../../deploy/kubernetes/manifest.ts');
      const { checkMounted, checkNamespace, checkSocket } = await import(
        '../../deploy/kubernetes/settings.ts'
      );
      const { podRegistries } = await import('../pod-registries.ts');
      const { agentImageName } = await import('../../deploy/image/agent-image.ts');
      const { readCredentials } = await import('../../deploy/systemd/credentials.ts');
      const { configDir } = await import('../../trust/default-files.ts');
      const { formatReference, parseReference } = await import('../../image/reference.ts');
      const { image, mutualTls = false, probePort, maxRate } = options;
      const distribution = distributions[options.distribution];
      const socket = checkSocket(options.storeSocket ?? distribution.socket);
      const { manifestListen } = await import('../manifest-listen.ts');
      const { listen, port } = manifestListen({ ...options, mutualTls }, distribution.port);
      const version = programVersion();
      const { files } = await readCredentials(options.dir ?? configDir(env));
      const text = agentManifest(
        {
          image: image === undefined ? agentImageName(version) : formatReference(parseReference(image)),
          imagePullPolicy: image === undefined ? 'Never' : 'IfNotPresent',
          namespace: checkNamespace(options.namespace),
          socket,
          port,
          listen,
          mutualTls,
          probePort,
          maxRate,
          imagesDir: await imagesDirOf(options, (path) => checkMounted(path, socket, imagesOfNode)),
          registries: await podRegistries(options, (path) => checkMounted(path, socket, hostsOfNode)),
          version,
        },
        files,
      );
      printText(stdout, text);
      if (stdout.isTTY)
        (await context.failureReporter()).note(
          "The Secret above holds the cluster's token and the agents' private key: mind who reads this terminal.",
        );
    });
}

/** @throws ImgctlError `usage` */
async function imagesDirOf(
  { imagesDir, imagesDirConcurrency, imagesDirPrune = false, imagesDirVerifyKey }: Options,
  check: (path: string) => string,
) {
  if (imagesDir === undefined) {
    const { ImgctlError } = await import('../../errors.ts');
    if (imagesDirConcurrency === undefined && !imagesDirPrune && imagesDirVerifyKey === undefined)
      return undefined;
    throw new ImgctlError('usage', 'there is no images directory that these options could be for', {
      hint: 'Name it: --images-dir DIR.',
    });
  }
  const { readPublicKey } = await import('../../trust/minisign-key.ts');
  const verifyKey = imagesDirVerifyKey && (await readPublicKey(imagesDirVerifyKey)).line;
  return { path: check(imagesDir), concurrency: imagesDirConcurrency, prune: imagesDirPrune, verifyKey };
}
