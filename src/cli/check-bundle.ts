import type { Archive } from '../archive/archive.ts';
import type { BundleDescription, BundledImage } from '../bundle/describe-bundle.ts';
import type { BundleVerdict } from '../bundle/verify-bundle.ts';
import { ImgctlError } from '../errors.ts';
import { digestOf } from '../image/digest.ts';
import { count, formatBytes } from '../output/format.ts';
import type { CheckResult } from '../output/reporter.ts';
import { signerOf } from '../trust/minisign.ts';
import type { CommandContext } from './context.ts';
import { exitStatus } from './exit-codes.ts';
import { openBundle } from './open-bundle.ts';
import type { OutputOptions, SpoolOptions } from './options.ts';
import { verifierOf } from './signed-bundles.ts';

export interface CheckBundleOptions extends OutputOptions, SpoolOptions {
  readonly platform?: readonly string[];
  readonly base?: readonly string[];
  readonly verifyKey?: string;
}

/** The exit status is what an import would end with. @throws ImgctlError as `openArchive`, where nothing can be checked */
export async function checkBundle(
  files: readonly string[],
  options: CheckBundleOptions,
  context: CommandContext,
): Promise<void> {
  const { verifyBundle } = await import('../bundle/verify-bundle.ts');
  const { io } = context;
  const reporter = await context.reporter(options);
  const verifier = options.verifyKey === undefined ? undefined : await verifierOf(options.verifyKey);
  const verifyIndex = verifier?.verify;
  await using bundle = await openBundle(files, { ...options, verifyIndex, reporter, io });
  await using base =
    options.base === undefined ? undefined : await openBundle(options.base, { ...options, reporter, io });
  mustBeBase(bundle, base);
  const verdict = await verifyBundle(bundle, {
    platforms: options.platform,
    isElsewhere: (digest) =>
      bundle.base !== undefined && (base === undefined || base.sizeOf(digest) !== undefined),
    signal: io.signal,
    onBytes: (bytes, total) => reporter.reading({ label: bundle.label, bytes, total }),
  });
  reporter.checks([...results(verdict), ...baseResults(bundle, base), ...signatureResults(bundle, verifier)]);
  context.status = verdict.flaws.length === 0 ? exitStatus.ok : exitStatus.refused;
}

/** @throws ImgctlError `usage` where the one was not made upon the other */
function mustBeBase(bundle: Archive, base: Archive | undefined): void {
  if (base === undefined || (base.index !== undefined && bundle.base?.digest === digestOf(base.index)))
    return;
  const upon = bundle.base === undefined ? 'it is no delta bundle' : `it was made upon ${bundle.base.name}`;
  throw new ImgctlError('usage', `${base.label} is not what ${bundle.label} builds upon: ${upon}`, {
    hint: 'imgctl bundle inspect shows what a delta bundle builds upon.',
    context: { path: bundle.label, ...(bundle.base === undefined ? {} : { base: bundle.base.digest }) },
  });
}

function baseResults({ base }: Archive, given: Archive | undefined): CheckResult[] {
  if (base === undefined) return [];
  if (given !== undefined) return [{ status: 'ok', what: 'base', detail: given.label }];
  const detail = `what is not here is meant to be in ${base.name} (index ${base.digest})`;
  return [{ status: 'warn', what: 'base', detail, hint: 'Name it with --base FILE, to see whether it is.' }];
}

function signatureResults(
  { signature }: Archive,
  verifier: { readonly id: string } | undefined,
): CheckResult[] {
  if (verifier !== undefined) return [{ status: 'ok', what: 'signature', detail: `key ${verifier.id}` }];
  if (signature === undefined) return [];
  const detail = `key ${signerOf(signature) ?? 'unknown'}, as it says itself`;
  return [
    { status: 'warn', what: 'signature', detail, hint: 'Name the key that it must be: --verify-key FILE.' },
  ];
}

function results({ flaws, blobs, bytes, description }: BundleVerdict): CheckResult[] {
  const flawed = new Set(flaws.map(({ what }) => what));
  const sound = description.images.filter(({ name, digest }) => !flawed.has(name ?? digest));
  const damaged = flaws.some(({ what }) => !isImage(what, description));
  return [
    ...sound.map((image): CheckResult => ({ status: 'ok', ...wholeImage(image) })),
    ...flaws.map((flaw): CheckResult => ({ status: 'fail', ...flaw })),
    ...(damaged
      ? []
      : [
          {
            status: 'ok',
            what: 'content',
            detail: `${count(blobs, 'blob')}, ${formatBytes(bytes)}`,
          } as const,
        ]),
  ];
}

function isImage(what: string, { images }: BundleDescription): boolean {
  return images.some(({ name, digest }) => what === (name ?? digest));
}

function wholeImage({ name, digest, platforms }: BundledImage): Pick<CheckResult, 'what' | 'detail'> {
  const here = platforms.filter(({ state }) => state !== 'absent');
  return { what: name ?? digest, detail: here.map(({ platform }) => platform ?? 'no platform').join(', ') };
}
