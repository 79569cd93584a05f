import { Command } from 'commander';
import { ImgctlError } from '../../errors.ts';
import type { CommandContext } from '../context.ts';
import { programVersion } from '../version.ts';

const examples = `
The image is this executable, the libraries that it needs, and nothing else, for this machine's
architecture: a cluster of two architectures takes one from a machine of each. The archive is an OCI
layout and what docker save writes at once.

imgctl agent manifest names the image as it is named here. It has to be on every node first: by ctr on
each, or through what each node already runs (MicroK8s's cluster agent; an imgctl agent to be replaced).

Examples:
  imgctl agent image | ctr -n k8s.io image import -
  imgctl agent image | ssh root@10.0.4.17 k3s ctr -n k8s.io image import -
  imgctl agent image | imgctl images import --driver microk8s
  imgctl agent image -o agent.tar`;

interface Options {
  readonly output: string;
  readonly tag?: string;
}

export function agentImageCommand(context: CommandContext): Command {
  return new Command('image')
    .summary("write the agent's own image")
    .description("Writes the agent's own container image as an archive, without a builder.")
    .option('-o, --output <file>', 'the archive; - is standard output', '-')
    .option('--tag <reference>', "the image's name (default: imgctl.local/agent and this version)")
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      const { io } = context;
      const { signal } = io;
      const { executableName, findExecutable } = await import('../../deploy/executable.ts');
      const executable = await findExecutable(process.arch);
      if (executable === undefined) throw notBuilt(executableName(process.arch));
      const { formatReference, parseReference } = await import('../../image/reference.ts');
      const { agentImageName, buildAgentImage } = await import('../../deploy/image/agent-image.ts');
      const { ofOutput } = await import('../export-images.ts');
      const { openExportTarget } = await import('../export-target.ts');
      const { writeArchive } = await import('../../archive/write-archive.ts');
      const version = programVersion();
      const name = formatReference(parseReference(options.tag ?? agentImageName(version)));
      await using target = await openExportTarget(options.output, { output: 'text' }, io);
      await using image = await buildAgentImage({ executable, version, signal });
      try {
        await writeArchive([{ names: [name], graph: image.graph }], target.stream, {
          read: (digest) => image.read(digest),
          signal,
        });
      } catch (error) {
        throw ofOutput(error, target.stream);
      }
      await target.publish();
      (await context.failureReporter()).note(`Wrote ${name} to ${target.label}.`);
    });
}

function notBuilt(name: string): ImgctlError {
  return new ImgctlError('deploy_failed', `the image is made from the single executable, and there is none`, {
    hint: `Run this command with the executable ${name} instead of the package; from the sources, npm run build:exe makes it.`,
  });
}
