import type { ArchiveInput } from '../archive/archive.ts';
import type { GrowingSource } from '../image/source.ts';
import type { ArchiveSummary } from '../output/reporter.ts';
import type { OpenArchivesOptions } from './open-archives.ts';
import type { PushOptions } from './push.ts';

export interface OpenedPipe extends AsyncDisposable {
  readonly source: GrowingSource;
  readonly growing: GrowingSource;
  /** What it turned out to hold, once all is read. Rejects when it is no good. */
  readonly summary: Promise<ArchiveSummary>;
}

/** The pipe that can be sent while it is read, if it is the only archive and nothing has to be known of it before. */
export function pipeToStream(
  inputs: readonly ArchiveInput[],
  { stream, strict, dryRun, verifyKey }: Pick<PushOptions, 'stream' | 'strict' | 'dryRun' | 'verifyKey'>,
): Extract<ArchiveInput, { kind: 'stream' }> | undefined {
  const [input] = inputs;
  // Nothing of it goes out before its signature was seen
  if (!stream || strict || dryRun || verifyKey !== undefined || inputs.length !== 1) return undefined;
  return input?.kind === 'stream' ? input : undefined;
}

/** Begins to read a pipe. */
export async function openPipe(
  input: Extract<ArchiveInput, { kind: 'stream' }>,
  { reporter, signal, spoolDir, tag }: OpenArchivesOptions,
): Promise<OpenedPipe> {
  const { openGrowingArchive } = await import('../archive/growing-archive.ts');
  const { describeImages } = await import('../archive/archive.ts');
  const { label } = input;
  const onSpool = (bytes: number) => reporter.reading({ label, bytes });
  const source = openGrowingArchive(input, { spoolDir, signal, tag, onSpool });
  const describe = async () => {
    await source.whole;
    return describeImages(source, signal);
  };
  const summary = describe();
  // Whoever waits for it hears of it
  summary.catch(() => undefined);
  return { source, growing: source, summary, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
}
