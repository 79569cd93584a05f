import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { type HostNames, parseClientName, parseHostNames } from '../../trust/host-names.ts';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, type OutputOptions } from '../options.ts';

const examples = `
Makes ca.crt and ca.key (an authority, for 10 years), agent.crt and agent.key (for 2 years), and token.
Agents are verified by the name imgctl-agent, so that one certificate serves all of them; --host makes one for
each host, which no other can show. Keep ca.key: it is needed for --renew, and nowhere else. --renew leaves
the token alone; imgctl token rotate changes it.

Examples:
  imgctl init
  imgctl init --host worker-1,10.0.4.17 --host worker-2,10.0.4.18
  imgctl init --renew
  imgctl init --dir ./staging --client ci`;

interface Options extends OutputOptions {
  readonly dir?: string;
  readonly renew?: boolean;
  readonly host?: HostNames[];
  readonly client?: string;
}

export function initCommand(context: CommandContext): Command {
  const command = new Command('init')
    .description("Makes what a cluster's agents and commands trust each other by: certificates and a token.")
    .option('--dir <dir>', 'where the files are kept (default: ~/.config/imgctl)')
    .option('--renew', 'make new certificates from the authority that is there')
    .addOption(
      new Option(
        '--host <names>',
        'a certificate for this host alone: its names and addresses, apart by commas; again for several',
      ).argParser((text: string, before: readonly HostNames[] = []) => [...before, parseHostNames(text)]),
    )
    .addOption(
      new Option(
        '--client <name>',
        'a certificate for the command too, for agents with --client-ca',
      ).argParser(parseClientName),
    )
    .addHelpText('after', examples);
  return addOutputOptions(command).action(async ({ dir: named, renew, host, client, ...output }: Options) => {
    const reporter = await context.reporter(output);
    const { env, signal } = context.io;
    const { configDir } = await import('../../trust/default-files.ts');
    const dir = named === undefined ? configDir(env) : resolve(named);
    const options = { dir, hosts: host ?? [], client, signal };
    const place = { dir, isDefault: dir === configDir(env) };
    const { renewed, made } = await import('../describe-trust.ts');
    if (renew) {
      const { renewTrust } = await import('../../trust/renew.ts');
      reporter.done(renewed(await renewTrust(options), place));
    } else {
      const { initTrust } = await import('../../trust/init.ts');
      reporter.done(made(await initTrust(options), place));
    }
  });
}
