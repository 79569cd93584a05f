import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, type OutputOptions } from '../options.ts';
import type { RegistryAccessOptions } from '../registry-access.ts';
import { addRegistryOptions, type RegistryOptions } from '../registry-options.ts';

const explainExamples = `
Nothing is asked of any server. Credentials are told by where they stand, never by what they say.

Examples:
  imgctl registries explain nginx
  imgctl registries explain registry.example.com/team/app:1 --registries registries.yaml --output json`;

const renderExamples = `
containerd reads these files anew at each pull. Credentials are not among what they can hold; rewrites are known
to the containerd of K3s and RKE2 alone.

Examples:
  imgctl registries render --to /etc/containerd/certs.d
  imgctl registries render --registries registries.yaml --to ./certs.d`;

export function registriesCommand(context: CommandContext): Command {
  return new Command('registries')
    .description('Where images would be pulled from: mirrors, certificates and credentials.')
    .addCommand(explainCommand(context))
    .addCommand(renderCommand(context));
}

function explainCommand(context: CommandContext): Command {
  const command = new Command('explain')
    .summary('say which servers would be asked for an image, and as whom')
    .description(
      'Says which servers would be asked for an image, in which order, and with which credentials.',
    )
    .argument('<ref>', 'the image');
  addRegistryOptions(command)
    .option('--kubeconfig <file>', 'which kubeconfig to read pull secrets with (default: wherever it is)')
    .option('--context <name>', 'which context of the kubeconfig');
  return addOutputOptions(command)
    .addHelpText('after', explainExamples)
    .action(async (ref: string, options: RegistryAccessOptions & OutputOptions) => {
      const { parseReference } = await import('../../image/reference.ts');
      const { registryAccess } = await import('../registry-access.ts');
      const { explainReference } = await import('../explain-reference.ts');
      const reporter = await context.reporter(options);
      const access = await registryAccess(options, context.io, reporter);
      const { lines, details } = await explainReference(parseReference(ref), access);
      reporter.done(lines, details);
    });
}

function renderCommand(context: CommandContext): Command {
  const command = new Command('render')
    .summary("write containerd's hosts.toml files from a registries.yaml")
    .description("Writes containerd's hosts.toml files from the registries.yaml of K3s or RKE2.")
    .requiredOption('--to <dir>', 'the directory: what config_path names in the configuration of containerd')
    .option('--registries <file>', "the file (default: K3s's or RKE2's)");
  return addOutputOptions(command)
    .addHelpText('after', renderExamples)
    .action(async (options: RegistryOptions & OutputOptions & { readonly to: string }) => {
      const { renderRegistries } = await import('../render-registries.ts');
      const reporter = await context.reporter(options);
      const { lines, details } = await renderRegistries(options, reporter);
      reporter.done(lines, details);
    });
}
