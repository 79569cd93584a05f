import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Archive } from '../archive/archive.ts';
import type { BundleCompression } from '../bundle/compress.ts';
import type { ImageFinder } from '../bundle/image-finder.ts';
import type { WrittenBundle } from '../bundle/write-bundle.ts';
import { hasCode, ImgctlError } from '../errors.ts';
import { parsePlatform } from '../image/platform.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import { count, formatBytes } from '../output/format.ts';
import type { Reporter } from '../output/reporter.ts';
import { archiveInputs } from './archive-inputs.ts';
import { type BundleInputs, imagesToBundle } from './bundle-inputs.ts';
import type { CliIo, CommandContext } from './context.ts';
import { ofOutput } from './export-images.ts';
import { openExportTarget } from './export-target.ts';
import { openBundle } from './open-bundle.ts';
import type { NodeOptions, OutputOptions, PlatformOptions, SpoolOptions } from './options.ts';
import type { RegistryOptions } from './registry-options.ts';
import { signerWith } from './signed-bundles.ts';
import { writeChunks } from './write-chunks.ts';

export interface CreateBundleOptions
  extends OutputOptions,
    PlatformOptions,
    SpoolOptions,
    BundleInputs,
    RegistryOptions,
    Pick<NodeOptions, 'config'> {
  readonly fromArchive: readonly string[];
  readonly out: string;
  /** A bundle, or all of its parts. */
  readonly base?: readonly string[];
  readonly sign?: string;
  readonly signPasswordFile?: string;
  /** Whether what stands beside an image goes with it. */
  readonly signatures: boolean;
  /** Images that are looked up at once. */
  readonly maxParallel: number;
  /** Bytes of a part at most. */
  readonly split?: number;
}

/** @throws ImgctlError `usage`, `image_unknown` and those of reading what images come from */
export async function createBundle(
  refs: readonly string[],
  options: CreateBundleOptions,
  context: CommandContext,
): Promise<void> {
  const { io } = context;
  const { signal } = io;
  const reporter = await context.reporter(options);
  mustReadOnce(options);
  const compression = compressionOf(options.out);
  if (options.split !== undefined) mustBeDivisible(options.out, compression);
  const passwordFile = options.signPasswordFile;
  const signer =
    options.sign === undefined ? undefined : await signerWith(options.sign, { ...io, passwordFile });
  const named = await imagesToBundle(refs, options, { reporter, io });
  const { archiveFinder } = await import('../bundle/archive-finder.ts');
  const { gatherImages } = await import('../bundle/gather-images.ts');
  const { writeBundle } = await import('../bundle/write-bundle.ts');
  await using archives = await openAll(options, { isNamed: named !== undefined, reporter, io });
  const finder = await archiveFinder(archives.opened, { signatures: options.signatures, signal });
  const asked = named ?? finder.references.map((reference) => ({ reference, where: 'archive' }));
  if (asked.length === 0) throw namesNothing();
  await using sources = new AsyncDisposableStack();
  const finders: ImageFinder[] = [finder];
  if (options.fromArchive.length === 0)
    finders.push(sources.use(await registryFinder(options, reporter, io)));
  const { maxParallel } = options;
  const gathered = await gatherImages(asked, { finders, choice: choiceOf(options), maxParallel, signal });
  await using base =
    options.base === undefined ? undefined : await openBase(options.base, options, reporter, context);
  const label = options.out;
  const written = writeBundle(gathered, {
    compression,
    signal,
    sign: signer?.sign,
    base: base && { name: basename(base.label), archive: base },
    onBytes: (bytes, total) => reporter.reading({ activity: 'writing', label, bytes, total }),
  });
  const { blobs, bytes } = written;
  const where = await store(written, options, context);
  const names = gathered.images.flatMap((image) => image.names);
  const message = `Wrote ${count(names.length, 'image')}, ${count(blobs, 'blob')}, ${formatBytes(bytes)} ${where.text}.`;
  const details = {
    file: label,
    parts: where.parts,
    base: base?.label,
    key: signer?.id,
    images: gathered.images.flatMap(({ names, graph }) =>
      names.map((name) => ({ name, digest: graph.target.digest })),
    ),
    attached: gathered.attached.map(({ entry }) => entry.digest),
    blobs,
    bytes,
  };
  if (where.isStandardOutput) reporter.note(message);
  else reporter.done([message], details);
}

async function registryFinder(options: CreateBundleOptions, reporter: Reporter, io: CliIo) {
  const { registryAccess } = await import('./registry-access.ts');
  const { RegistryFinder } = await import('../bundle/registry-finder.ts');
  const { signatures } = options;
  return new RegistryFinder(await registryAccess(options, io, reporter), {
    choice: choiceOf(options),
    signatures,
  });
}

interface Stored {
  /** Ends the sentence "Wrote 3 images". */
  readonly text: string;
  readonly parts?: readonly string[];
  readonly isStandardOutput?: boolean;
}

async function store(
  { chunks, index }: WrittenBundle,
  options: CreateBundleOptions,
  { io }: CommandContext,
): Promise<Stored> {
  const { out: file, split: limit } = options;
  if (limit !== undefined) {
    const { writeParts } = await import('./split-target.ts');
    const parts = await writeParts(chunks, { file, limit, bundle: index });
    return { text: partsText(parts), parts };
  }
  await using target = await openExportTarget(file, options, io);
  try {
    if (target.isStandardOutput) await pipeline(chunks, target.stream, { end: false, signal: io.signal });
    else await writeChunks(chunks, target.stream, io.signal);
  } catch (error) {
    throw ofOutput(error, target.stream);
  }
  await target.publish();
  return { text: `to ${target.label}`, isStandardOutput: target.isStandardOutput };
}

function partsText(parts: readonly string[]): string {
  const [first = ''] = parts;
  return parts.length === 1
    ? `in one part: ${first}`
    : `in ${parts.length} parts: ${first} to ${parts.at(-1)}`;
}

/** Parts are frames of zstd: put one after the other they are what any tool reads. */
function mustBeDivisible(out: string, compression: BundleCompression): void {
  const why =
    out === '-'
      ? 'standard output is one stream'
      : compression !== 'zstd'
        ? `${out} is not .tar.zst`
        : undefined;
  if (why === undefined) return;
  throw new ImgctlError('usage', `--split: ${why}`, { hint: 'Name a file that ends in .tar.zst.' });
}

function mustReadOnce({ file, fromArchive }: CreateBundleOptions): void {
  if ([...file, ...fromArchive].filter((name) => name === '-').length < 2) return;
  throw new ImgctlError('usage', 'standard input (-) is named twice', { hint: 'It can be read once only.' });
}

/** By the name, as tar does it. */
function compressionOf(out: string): BundleCompression {
  if (/\.(?:zst|tzst)$/i.test(out)) return 'zstd';
  if (/\.(?:gz|tgz)$/i.test(out)) return 'gzip';
  if (!/\.(?:xz|bz2|lz4|zip)$/i.test(out)) return 'none';
  throw new ImgctlError('usage', `a bundle cannot be compressed as ${out} says`, {
    hint: 'Name it .tar, .tar.zst or .tar.gz.',
  });
}

function choiceOf({ platform }: PlatformOptions): PlatformChoice {
  return platform === undefined
    ? { kind: 'all' }
    : { kind: 'named', platforms: platform.map((name) => parsePlatform(name)) };
}

async function openAll(
  { fromArchive, spoolDir }: CreateBundleOptions,
  { isNamed, reporter, io }: { readonly isNamed: boolean; readonly reporter: Reporter; readonly io: CliIo },
): Promise<AsyncDisposable & { readonly opened: readonly Archive[] }> {
  const { openArchive } = await import('../archive/archive.ts');
  await using stack = new AsyncDisposableStack();
  const opened: Archive[] = [];
  const { joinParts } = await import('../archive/join-parts.ts');
  const inputs = fromArchive.length === 0 ? [] : await joinParts(archiveInputs(fromArchive, () => io.stdin));
  for (const input of inputs) {
    const label = input.kind === 'path' ? input.path : input.label;
    const onSpool = (bytes: number) => reporter.reading({ label, bytes });
    const reading = { spoolDir, signal: io.signal, onSpool, unnamed: isNamed ? 'keep' : 'refuse' } as const;
    opened.push(stack.use(await openArchive(input, reading).catch(unnamedHere)));
  }
  const resources = stack.move();
  return { opened, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

async function openBase(
  files: readonly string[],
  options: SpoolOptions,
  reporter: Reporter,
  { io }: CommandContext,
): Promise<Archive> {
  const base = await openBundle(files, { ...options, reporter, io });
  if (base.index !== undefined) return base;
  await base[Symbol.asyncDispose]();
  throw new ImgctlError('usage', `${base.label} is no bundle: it has no index.json that a delta could name`, {
    hint: 'Make a bundle of it first: imgctl bundle create --from-archive FILE -o base.tar.zst',
  });
}

/** Where all are meant, none is left out without a word. */
function unnamedHere(thrown: unknown): never {
  if (!hasCode(thrown, 'archive_unnamed')) throw thrown;
  throw new ImgctlError(thrown.code, thrown.message, {
    hint: 'Save it with its name (docker save IMAGE:TAG), or name those that you want, which leaves it out.',
    context: thrown.context,
  });
}

function namesNothing(): ImgctlError {
  return new ImgctlError('usage', 'no image is named, and there is no archive that has one', {
    hint: 'Name images, lists or manifests (-f FILE), or archives of which all images are meant (--from-archive FILE).',
  });
}
