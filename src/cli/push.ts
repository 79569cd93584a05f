import type { ArchiveInput } from '../archive/archive.ts';
import type { FanOutNode, FanOutOptions } from '../distribute/fan-out-options.ts';
import type { ImgctlError } from '../errors.ts';
import type { GrowingSource, ImageSource } from '../image/source.ts';
import type { ArchiveSummary, Reporter } from '../output/reporter.ts';
import { concurrencyWithin } from './concurrency-within.ts';
import type { CommandContext } from './context.ts';
import { type ExitStatus, exitStatus, statusOfAnswers, statusOfRun } from './exit-codes.ts';
import { interrupted } from './interrupted.ts';
import { openArchives } from './open-archives.ts';
import { openPipe, pipeToStream } from './open-growing.ts';
import { type ImportOptions, platformsOf, type RateOptions } from './options.ts';
import { pullPolicyAdvice } from './pull-policy-advice.ts';

export interface PushOptions extends ImportOptions, RateOptions {
  readonly strict?: boolean;
  readonly relay?: FanOutOptions['relay'];
  readonly wireCompression?: FanOutOptions['wireCompression'];
  readonly dryRun?: boolean;
  /** Whether a pipe is sent while it is read; absent: it is not. */
  readonly stream?: boolean;
}

export interface Push {
  readonly inputs: readonly ArchiveInput[];
  readonly nodes: readonly FanOutNode[];
  readonly options: PushOptions;
  readonly reporter: Reporter;
}

/** Archives to nodes, through agents or into this machine's store: the same import, progress and errors. */
export async function push(
  { inputs, nodes, options, reporter }: Push,
  { io }: CommandContext,
): Promise<ExitStatus> {
  const begun = performance.now();
  const { signal } = io;
  const concurrency = concurrencyWithin(options, nodes.length);
  const { spoolDir, tag, verifyKey } = options;
  const opening = { reporter, signal, spoolDir, tag, verifyKey };
  const pipe = pipeToStream(inputs, options);
  await using archives = await (pipe === undefined ? openArchives(inputs, opening) : openPipe(pipe, opening));
  const pushing = { ...archives, nodes, options: { ...options, concurrency }, reporter, begun };
  // The archive is open until the nodes have it
  return await pushSource(pushing, io);
}

export interface SourcePush extends Omit<Push, 'inputs' | 'options'> {
  readonly options: Omit<PushOptions, 'concurrency'> & Pick<FanOutOptions, 'concurrency'>;
  readonly source: ImageSource;
  /** The same, where it is still being read. */
  readonly growing?: GrowingSource;
  /** Of what is still being read, later. */
  readonly summary: ArchiveSummary | Promise<ArchiveSummary>;
  readonly givers?: FanOutOptions['givers'];
  readonly registry?: FanOutOptions['registry'];
  readonly imagesAtOnce?: FanOutOptions['imagesAtOnce'];
  /** Images that cannot be brought to anybody, an error each: the others are. */
  readonly refused?: readonly ImgctlError[];
  /** When the command began, as `performance.now` has it. */
  readonly begun: number;
}

/** Images of any source to nodes. */
export async function pushSource(
  { source, growing, summary, nodes, refused = [], options, reporter, begun, ...more }: SourcePush,
  { signal }: CommandContext['io'],
): Promise<ExitStatus> {
  const { distribute, previewDistribution } = await import('../distribute/fan-out.ts');
  reporter.start({
    archive: summary instanceof Promise ? undefined : summary,
    nodes: nodes.map(({ name, address }) => ({ name, address })),
    dryRun: options.dryRun === true,
  });
  if (summary instanceof Promise)
    summary.then(
      (archive) => reporter.archive(archive),
      // The import tells what is wrong with it
      () => undefined,
    );
  const fanOut: FanOutOptions = {
    nodes,
    source,
    growing,
    givers: more.givers,
    registry: more.registry,
    imagesAtOnce: more.imagesAtOnce,
    declaration: declarationOf(options),
    retries: options.retries,
    stallTimeoutMs: options.stallTimeout,
    strict: options.strict === true,
    concurrency: options.concurrency,
    relay: options.relay,
    wireCompression: options.wireCompression,
    onEvent: (event) => reporter.event(event),
    signal,
  };
  if (options.dryRun) {
    const previews = await previewDistribution(fanOut);
    reporter.preview(previews);
    return withRefused(statusOfAnswers(previews, signal.aborted, fanOut.strict), refused);
  }
  const tellInterrupt = () =>
    reporter.note('Interrupted: leaving the imports on the nodes. Once more ends at once.');
  signal.addEventListener('abort', tellInterrupt, { once: true });
  const outcomes = await distribute(fanOut);
  signal.removeEventListener('abort', tellInterrupt);
  const ended = statusOfRun({ nodes: outcomes, interrupted: signal.aborted, strict: fanOut.strict });
  const status = withRefused(ended, refused);
  reporter.finish({
    ok: status === exitStatus.ok,
    archive: await known(summary),
    nodes: outcomes,
    advice: pullPolicyAdvice(outcomes.flatMap(({ images }) => images)),
    durationMs: performance.now() - begun,
    ...(status === exitStatus.interrupted ? { error: interrupted(outcomes) } : { error: refused[0] }),
  });
  return status;
}

/** Undefined of an archive that was not read to its end. */
async function known(summary: SourcePush['summary']): Promise<ArchiveSummary | undefined> {
  try {
    return await summary;
  } catch {
    return undefined;
  }
}

/** Nodes that have all but what nobody could be given do not have everything. */
function withRefused(status: ExitStatus, refused: readonly ImgctlError[]): ExitStatus {
  return status === exitStatus.ok && refused.length > 0 ? exitStatus.partial : status;
}

function declarationOf(options: SourcePush['options']): FanOutOptions['declaration'] {
  const platforms = platformsOf(options);
  return {
    ...(platforms === undefined ? {} : { platforms }),
    ...(options.pin ? { pin: true } : {}),
    ...(options.unpack ? {} : { unpack: false }),
    ...(options.maxRate === undefined ? {} : { maxRate: options.maxRate }),
  };
}
