import type { Archive } from '../archive/archive.ts';
import { attachedTag } from '../archive/attached-entry.ts';
import type { BundleDescription, BundledPlatform } from '../bundle/describe-bundle.ts';
import { printable } from '../errors.ts';
import { shortDigest } from '../image/digest.ts';
import { count, formatBytes } from '../output/format.ts';
import { alignColumns } from '../output/results.ts';
import { signerOf } from '../trust/minisign.ts';
import type { CommandContext } from './context.ts';
import { openBundle } from './open-bundle.ts';
import type { OutputOptions, SpoolOptions } from './options.ts';

/** @throws ImgctlError as `openArchive` */
export async function inspectBundle(
  files: readonly string[],
  options: OutputOptions & SpoolOptions,
  context: CommandContext,
): Promise<void> {
  const { describeBundle } = await import('../bundle/describe-bundle.ts');
  const reporter = await context.reporter(options);
  await using bundle = await openBundle(files, { ...options, reporter, io: context.io });
  const description = await describeBundle(bundle, context.io.signal);
  const { label, bytes, compressions, attached } = bundle;
  const signer = bundle.signature === undefined ? undefined : signerOf(bundle.signature);
  const tar = { bytes, compressions, spooled: bundle.spooled };
  reporter.done(
    [
      `${label}: ${summary(description)}${compressions.length === 0 ? '' : ` (${compressions.join(', ')})`}`,
      '',
      ...imageLines(description, bundle.base !== undefined),
      '',
      ...baseLines(bundle, description),
      ...(signer === undefined ? [] : [`Says that it is signed with the key ${signer}.`]),
      ...sharedLines(description),
      ...attachedLines(bundle),
      ...needsLines(description),
      ...(compressions.length === 0
        ? []
        : [`An import keeps ${formatBytes(bytes)} in a temporary file meanwhile (--spool-dir).`]),
    ],
    { file: label, tar, base: bundle.base, key: signer, ...description, attached },
  );
}

function summary({ images, blobs, bytes }: BundleDescription): string {
  return `${count(images.length, 'image')}, ${count(blobs, 'blob')}, ${formatBytes(bytes)}`;
}

function imageLines({ images }: BundleDescription, isDelta: boolean): string[] {
  const rows = images.flatMap(({ name, digest, platforms }) => {
    const title = name ?? '(no name)';
    if (platforms.length === 0) return [[title, 'nothing is here', shortDigest(digest), '', '', '']];
    return platforms.map((one, i) => [i === 0 ? title : '', ...platformCells(one, isDelta)]);
  });
  // Nothing to say is no column: what is left fits a terminal of 80
  const shared = rows.some((row) => row[5] !== '') ? ['SHARED'] : [];
  return alignColumns({ head: ['IMAGE', 'PLATFORM', 'DIGEST', 'LAYERS', 'SIZE', ...shared], rows });
}

function platformCells(
  { platform, digest, state, layers, bytes, sharedBytes }: BundledPlatform,
  isDelta: boolean,
): string[] {
  const where = platform ?? '(none)';
  if (state === 'absent') return [`${where} (absent)`, shortDigest(digest), '', '', ''];
  return [
    state === 'whole' ? where : `${where} (${isDelta ? 'with the base' : 'incomplete'})`,
    shortDigest(digest),
    String(layers),
    formatBytes(bytes),
    sharedBytes === 0 ? '' : formatBytes(sharedBytes),
  ];
}

function baseLines({ base }: Archive, { images }: BundleDescription): string[] {
  if (base === undefined) return [];
  const there = new Set(images.flatMap(({ platforms }) => platforms.flatMap(({ missing }) => missing)));
  return [`A delta upon ${base.name} (index ${base.digest}): ${count(there.size, 'blob')} more there.`];
}

/** More are counted. */
const mostNamed = 20;

function attachedLines({ attached }: Archive): string[] {
  if (attached.length === 0) return [];
  const named = attached.map((entry) => attachedTag(entry) ?? entry.artifactType ?? entry.digest);
  const more = attached.length > mostNamed ? [`  and ${attached.length - mostNamed} more`] : [];
  return [
    'Beside the images, which nodes do not get:',
    ...named.slice(0, mostNamed).map((name) => `  ${printable(name)}`),
    ...more,
  ];
}

function sharedLines({ shared }: BundleDescription): string[] {
  if (shared.length === 0) return ['No layer is shared.'];
  const once = shared.reduce((total, { size }) => total + size, 0);
  const saved = shared.reduce((total, { size, images }) => total + size * (images.length - 1), 0);
  return [
    `${count(shared.length, 'layer')} of several images, ${formatBytes(once)}: here once, which saves ${formatBytes(saved)}.`,
  ];
}

function needsLines({ needs }: BundleDescription): string[] {
  return needs.map(
    ({ platform, images, bytes, unpackedBytes }) =>
      `A node of ${platform} that has nothing yet gets ${count(images, 'image')}: ${formatBytes(bytes)} to send, ${formatBytes(unpackedBytes)} or more when unpacked.`,
  );
}
