import type { Archive, ArchiveOptions } from '../archive/archive.ts';
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
  file: string,
  { reporter, spoolDir, verifyIndex, io: { stdin, signal } }: OpenBundleOptions,
): Promise<Archive> {
  const { openArchive } = await import('../archive/archive.ts');
  const [input] = archiveInputs([file], () => stdin);
  if (input === undefined) throw new Error('one name gives one input');
  return openArchive(input, {
    spoolDir,
    signal,
    verifyIndex,
    unnamed: 'keep',
    incomplete: 'keep',
    onSpool: (bytes) => reporter.reading({ label: file, bytes }),
  });
}
