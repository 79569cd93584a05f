import type { Archive, ArchiveInput } from '../archive/archive.ts';
import { ImgctlError } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import type { ArchiveSummary, Reporter } from '../output/reporter.ts';
import { verifierOf } from './signed-bundles.ts';

export interface OpenArchivesOptions {
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly spoolDir?: string | undefined;
  readonly tag?: string | undefined;
  readonly verifyKey?: string | undefined;
}

export interface OpenedArchives extends AsyncDisposable {
  readonly source: ImageSource;
  readonly summary: ArchiveSummary;
}

/** Opens every input, one after the other, as one source of images. @throws as `openArchive` and `combineArchives` */
export async function openArchives(
  given: readonly ArchiveInput[],
  { reporter, signal, spoolDir, tag, verifyKey }: OpenArchivesOptions,
): Promise<OpenedArchives> {
  const { openArchive, combineArchives, describeImages } = await import('../archive/archive.ts');
  const { joinParts } = await import('../archive/join-parts.ts');
  const inputs = await joinParts(given);
  if (tag !== undefined && inputs.length > 1) {
    throw new ImgctlError('usage', `--tag ${tag} is one name, and there are ${inputs.length} archives`, {
      hint: 'Import the archive without a name by itself.',
    });
  }
  const verifier = verifyKey === undefined ? undefined : await verifierOf(verifyKey);
  await using opened = new AsyncDisposableStack();
  const archives: Archive[] = [];
  for (const input of inputs) {
    const label = input.kind === 'path' ? input.path : input.label;
    const onSpool = (bytes: number) => reporter.reading({ label, bytes });
    const verifyIndex = verifier?.verify;
    archives.push(opened.use(await openArchive(input, { spoolDir, signal, tag, onSpool, verifyIndex })));
    if (verifier !== undefined) reporter.note(`${label} is signed with the key ${verifier.id}.`);
  }
  const [only] = archives;
  const source = only !== undefined && archives.length === 1 ? only : combineArchives(archives);
  const summary = await describeImages(source, signal);
  const resources = opened.move();
  return { source, summary, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
