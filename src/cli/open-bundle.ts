import type { Archive, ArchiveOptions } from '../archive/archive.ts';
import { ImgctlError } from '../errors.ts';
import type { Reporter } from '../output/reporter.ts';
import { archiveInputs } from './archive-inputs.ts';
import type { CliIo } from './context.ts';
import type { SpoolOptions } from './options.ts';

export interface OpenBundleOptions extends SpoolOptions {
  readonly reporter: Reporter;
  readonly verifyIndex?: ArchiveOptions['verifyIndex'];
  readonly io: Pick<CliIo, 'stdin' | 'signal'>;
}

/** A bundle to look at: what is wrong with its images is no reason not to. @throws ImgctlError as `openArchive` */
export async function openBundle(
  files: readonly string[],
  { reporter, spoolDir, verifyIndex, io: { stdin, signal } }: OpenBundleOptions,
): Promise<Archive> {
  const { openArchive } = await import('../archive/archive.ts');
  const { joinParts } = await import('../archive/join-parts.ts');
  const [input, ...others] = await joinParts(archiveInputs(files, () => stdin));
  if (input === undefined || others.length > 0) {
    throw new ImgctlError('usage', `${files.length} files are named, and they are not parts of one bundle`, {
      hint: 'Name one bundle at a time, or all parts of one that was made with --split.',
    });
  }
  const label = input.kind === 'path' ? input.path : input.label;
  return openArchive(input, {
    spoolDir,
    signal,
    verifyIndex,
    unnamed: 'keep',
    incomplete: 'keep',
    onSpool: (bytes) => reporter.reading({ label, bytes }),
  });
}
