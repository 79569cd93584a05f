import { Command } from 'commander';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import type { CommandContext } from '../context.ts';
import { addValue, parseCount, parseRate } from '../parse-values.ts';
import { addRegistryPlaces } from '../registry-options.ts';
import { programVersion } from '../version.ts';

const examples = `
The token that commands must show is read from --token-file, or made on first start in the data directory.
With --client-ca they show a certificate in its place, and a token too only where --token-file is given.
Certificates and tokens are read again when their files change; transfers go on. FILE.previous beside the
token file holds the token before, and on its second line the time until which it counts.
A body that brings less than 256 bytes/s over a minute is given up. An address has up to 256 connections;
after 60 wrong tokens within a minute none of its tokens is heard for the rest of it, but on connections
that had shown the right one. What strangers are refused is told in 30 lines of the log a minute at most.
Logs are lines of JSON on standard error. SIGTERM lets transfers finish for up to 30 seconds.

Examples:
  imgctl agent run
  imgctl agent run --listen 0.0.0.0:25000 --token-file /etc/imgctl/token \\
    --tls-cert /etc/imgctl/agent.crt --tls-key /etc/imgctl/agent.key
  imgctl agent run --listen :25000 --tls-cert agent.crt --tls-key agent.key \\
    --client-ca ca.crt --probe-listen :25002
  imgctl agent run --store containerd:/run/k3s/containerd/containerd.sock
  imgctl agent run --images-dir /var/lib/rancher/k3s/agent/images
  imgctl agent run --store oci:/var/lib/images --listen 127.0.0.1:25001 --name test-1`;

interface Options {
  readonly listen?: string[];
  readonly store?: string;
  readonly namespace: string;
  readonly snapshotter?: string;
  readonly name?: string;
  readonly dataDir?: string;
  readonly tokenFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly caFile?: string;
  readonly clientCa?: string;
  readonly probeListen?: string;
  readonly insecureHttp?: boolean;
  readonly maxImports?: number;
  readonly maxRate?: number;
  readonly registries?: string;
  readonly hostsDir?: string;
  readonly imagesDir?: string;
  readonly imagesDirConcurrency?: number;
  readonly imagesDirPrune?: boolean;
  readonly imagesDirVerifyKey?: string;
}

export function agentRunCommand(context: CommandContext): Command {
  const command = new Command('run')
    .summary('run the agent')
    .description('Runs the agent until it is stopped (SIGTERM, Ctrl-C).')
    .option(
      '--listen <host:port>',
      'address to listen on, again for several (env: IMGCTL_LISTEN; default: 127.0.0.1:25000)',
      addValue,
    )
    .option(
      '--store <store>',
      "containerd[:SOCKET] or oci:DIR (default: the node's containerd, wherever its socket is)",
    )
    .option('--namespace <name>', "containerd's namespace", 'k8s.io')
    .option('--snapshotter <name>', 'snapshotter to unpack with (default: the one that the kubelet uses)')
    .option('--name <node>', "the node's name in reports (default: the host's)")
    .option('--data-dir <dir>', 'where the token is kept (default: /var/lib/imgctl for root)')
    .option('--token-file <file>', "file with the cluster's token (env: IMGCTL_TOKEN_FILE)")
    .option('--tls-cert <file>', "the agent's certificate, PEM (env: IMGCTL_TLS_CERT)")
    .option('--tls-key <file>', 'its private key (env: IMGCTL_TLS_KEY)')
    .option(
      '--ca-file <file>',
      'authority of other agents (env: IMGCTL_CA_FILE; default: ca.crt beside --tls-cert)',
    )
    .option('--client-ca <file>', 'clients must show a certificate that it signed (env: IMGCTL_CLIENT_CA)')
    .option(
      '--probe-listen <host:port>',
      'plain HTTP for probes and metrics alone (env: IMGCTL_PROBE_LISTEN)',
    )
    .option('--insecure-http', 'allow addresses beyond loopback without TLS')
    .option('--max-imports <n>', 'imports open at once', parseCount(1, 10_000))
    .option(
      '--max-rate <rate>',
      'bound of what goes to other nodes, whatever imports ask for: 200M is 200 Mbit/s (env: IMGCTL_MAX_RATE)',
      parseRate,
    );
  return addRegistryPlaces(command)
    .option(
      '--images-dir <dir>',
      'put the images of archives and lists (.txt) in this directory into the store, pinned, while it runs (env: IMGCTL_IMAGES_DIR)',
    )
    .option('--images-dir-concurrency <n>', 'files of it that are read at once', parseCount(1, 64), 2)
    .option('--images-dir-prune', 'unpin images that no file of it gives any more')
    .option(
      '--images-dir-verify-key <file>',
      'minisign public key: bundles and lists in it that are not signed with it are refused',
    )
    .addHelpText('after', examples)
    .action(async ({ listen, insecureHttp = false, ...settings }: Options) => {
      const { runAgent } = await import('../../agent/main.ts');
      const { env, signal } = context.io;
      const variable = (name: string) => env[name]?.trim() || undefined;
      await runAgent(
        {
          ...settings,
          listen: listen ?? (variable('IMGCTL_LISTEN')?.split(/[\s,]+/) || []),
          insecureHttp,
          tokenFile: settings.tokenFile ?? variable('IMGCTL_TOKEN_FILE'),
          tlsCert: settings.tlsCert ?? variable('IMGCTL_TLS_CERT'),
          tlsKey: settings.tlsKey ?? variable('IMGCTL_TLS_KEY'),
          caFile: settings.caFile ?? variable('IMGCTL_CA_FILE'),
          clientCa: settings.clientCa ?? variable('IMGCTL_CLIENT_CA'),
          imagesDir: settings.imagesDir ?? variable('IMGCTL_IMAGES_DIR'),
          maxRate: settings.maxRate ?? rateIn(variable('IMGCTL_MAX_RATE')),
          probeListen: settings.probeListen ?? variable('IMGCTL_PROBE_LISTEN'),
        },
        { signal, env, version: programVersion() },
      );
    });
}

/** @throws ImgctlError `usage`, which names the variable */
function rateIn(text: string | undefined): number | undefined {
  try {
    return text === undefined ? undefined : parseRate(text);
  } catch (error) {
    const { code, message, hint } = toImgctlError(error);
    throw new ImgctlError(code, `IMGCTL_MAX_RATE: ${message}`, { hint });
  }
}
