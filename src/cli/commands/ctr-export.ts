import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import {
  addOutputOptions,
  addPlatformOptions,
  addStoreOptions,
  type OutputOptions,
  type PlatformOptions,
} from '../options.ts';

const examples = `
The archive is an OCI layout and what docker save writes at once: ctr, docker, podman and imgctl take it back.

Examples:
  imgctl ctr image export nginx.tar nginx:1.27
  imgctl ctr image export - nginx:1.27 app:1 | zstd > bundle.tar.zst`;

export function ctrExportCommand(context: CommandContext): Command {
  const command = new Command('export')
    .summary('write images to an archive')
    .description("Writes images of this machine's containerd to an archive.")
    .argument('<file>', 'the archive; - is standard output')
    .argument('<ref...>', 'names of images');
  addPlatformOptions(addStoreOptions(command), 'what this machine runs');
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(
      async (file: string, refs: string[], options: OutputOptions & PlatformOptions, command: Command) => {
        const { io } = context;
        const { openLocalStore } = await import('../local-store.ts');
        const reporter = await context.reporter(options);
        const { exportImages } = await import('../export-images.ts');
        const { openExportTarget } = await import('../export-target.ts');
        await using target = await openExportTarget(file, options, io);
        await using store = await openLocalStore(command, io);
        const { images, bytes } = await exportImages(store, refs, {
          platforms: options,
          output: target.stream,
          signal: io.signal,
          onBytes: (bytes, total) => reporter.reading({ activity: 'writing', label: file, bytes, total }),
        });
        await target.publish();
        const message = `Exported ${images} (${bytes} bytes of blobs) to ${target.label}.`;
        if (target.isStandardOutput) reporter.note(message);
        else reporter.done([message]);
      },
    );
}
