import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addValue, parseCount } from '../parse-values.ts';
import { programVersion } from '../version.ts';

const examples = `
The token that commands must show is read from --token-file, or made on first start in the data directory.
Logs are lines of JSON on standard error. SIGTERM lets transfers finish for up to 30 seconds.

Examples:
  imgctl agent run
  imgctl agent run --listen 10.0.4.17:25000 --insecure-http --token-file /etc/imgctl/token
  imgctl agent run --store containerd:/run/k3s/containerd/containerd.sock
  imgctl agent run --store oci:/var/lib/images --listen 127.0.0.1:25001 --name test-1`;

interface Options {
  readonly listen?: string[];
  readonly store?: string;
  readonly namespace: string;
  readonly snapshotter?: string;
  readonly name?: string;
  readonly dataDir?: string;
  readonly tokenFile?: string;
  readonly insecureHttp?: boolean;
  readonly maxImports?: number;
}

export function agentCommand(context: CommandContext): Command {
  return new Command('agent')
    .description("The agent: a node's image store behind an HTTP API, one on each node.")
    .addCommand(agentRunCommand(context));
}

function agentRunCommand(context: CommandContext): Command {
  return new Command('run')
    .summary('run the agent')
    .description('Runs the agent until it is stopped (SIGTERM, Ctrl-C).')
    .option(
      '--listen <host:port>',
      'address to listen on, again for several (default: 127.0.0.1:25000)',
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
    .option('--token-file <file>', "file with the cluster's token")
    .option('--insecure-http', 'allow addresses beyond loopback without TLS')
    .option('--max-imports <n>', 'imports open at once', parseCount(1, 10_000))
    .addHelpText('after', examples)
    .action(async ({ listen = [], insecureHttp = false, ...settings }: Options) => {
      const { runAgent } = await import('../../agent/main.ts');
      const { env, signal } = context.io;
      await runAgent({ ...settings, listen, insecureHttp }, { signal, env, version: programVersion() });
    });
}
