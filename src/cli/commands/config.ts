import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addNodeOptions, addOutputOptions, type NodeOptions, type OutputOptions } from '../options.ts';

const about = `
The file is ~/.config/imgctl/config.yaml, or what --config or IMGCTL_CONFIG names:

  currentContext: edge
  contexts:
    edge:
      nodes: [cp=10.0.4.16, w1=10.0.4.17]    # or discover: kubernetes, dns:NAME or local
      caFile: ca.crt                         # relative paths are beside this file
      tokenFile: token
      defaults:                              # of the options of images import
        retries: 5
        pin: true

IMGCTL_CONTEXT chooses another context for one command. An option comes before the environment, that before
the file.`;

const setExamples = `
Settings:
  nodes, discover, selector, exclude, kubeconfig, kubeContext, agentPort,
  caFile, certFile, keyFile, tokenFile, driver, microk8sTokenFile,
  microk8sCaFile, and defaults.NAME for an option of images import:
  defaults.spoolDir

Examples:
  imgctl config set nodes cp=10.0.4.16,w1=10.0.4.17 --context edge
  imgctl config set discover kubernetes
  imgctl config set defaults.stallTimeout 2m`;

type EditOptions = OutputOptions & { readonly config?: string; readonly context?: string };

export function configCommand(context: CommandContext): Command {
  return new Command('config')
    .description(
      'The configuration file: clusters by name, and what an import does there unless told otherwise.',
    )
    .addHelpText('after', about)
    .addCommand(viewCommand(context))
    .addCommand(useCommand(context))
    .addCommand(setCommand(context))
    .addCommand(unsetCommand(context));
}

function viewCommand(context: CommandContext): Command {
  const command = new Command('view')
    .summary('show the settings that count, and where each comes from')
    .description(
      'Shows the settings that a command with these options would have, and where each comes from.',
    );
  addNodeOptions(command);
  return addOutputOptions(command).action(async (options: NodeOptions & OutputOptions) => {
    const { viewConfig } = await import('../view-config.ts');
    const reporter = await context.reporter(options);
    const { lines, details } = await viewConfig(options, context.io);
    reporter.done(lines, details);
  });
}

function useCommand(context: CommandContext): Command {
  const command = new Command('use')
    .summary('choose the context that commands speak to')
    .description('Makes a context the current one: the cluster that commands speak to.')
    .argument('<name>', 'the context');
  return addEditOptions(command).action(async (name: string, options: EditOptions) => {
    const { useContext } = await import('../../config/edit-config.ts');
    const reporter = await context.reporter(options);
    const file = await editedFile(context, options);
    await useContext(file, name);
    reporter.done([`Commands speak to ${name} now (${file.path}).`], { context: name, file: file.path });
  });
}

function setCommand(context: CommandContext): Command {
  const command = new Command('set')
    .summary('change a setting of a context')
    .description('Changes a setting of a context, and makes the context where there is none of that name.')
    .argument('<key>', 'the setting')
    .argument('<value>', 'its value; entries of a list are apart by commas')
    .option('--context <name>', "the configuration file's context (default: the current one)");
  return addEditOptions(command)
    .addHelpText('after', setExamples)
    .action((key: string, value: string, options: EditOptions) => change(context, options, key, value));
}

function unsetCommand(context: CommandContext): Command {
  const command = new Command('unset')
    .summary('take a setting out of a context')
    .description('Takes a setting out of a context.')
    .argument('<key>', 'the setting')
    .option('--context <name>', "the configuration file's context (default: the current one)");
  return addEditOptions(command).action((key: string, options: EditOptions) => change(context, options, key));
}

async function change(
  context: CommandContext,
  options: EditOptions,
  key: string,
  value?: string,
): Promise<void> {
  const { setSetting } = await import('../../config/edit-config.ts');
  const reporter = await context.reporter(options);
  const file = await editedFile(context, options);
  const { context: name, value: stored } = await setSetting(file, { key, value, context: options.context });
  const what = stored === undefined ? `${key} is no longer set` : `${key} is ${String(stored)}`;
  reporter.done([`In context ${name}, ${what} (${file.path}).`], {
    context: name,
    key,
    value: stored,
    file: file.path,
  });
}

function addEditOptions(command: Command): Command {
  return addOutputOptions(command.option('--config <file>', 'configuration file (env: IMGCTL_CONFIG)'));
}

async function editedFile({ io }: CommandContext, options: EditOptions) {
  const { configPath } = await import('../../config/config-path.ts');
  const { configRules } = await import('../config-rules.ts');
  const { configDir } = await import('../../trust/default-files.ts');
  const { env } = io;
  return { path: configPath(options.config, env, configDir(env)).path, rules: configRules(io), env };
}
