import { constants, createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { ImgctlError } from '../errors.ts';
import { shortDigest } from '../image/digest.ts';
import { chunkBytes } from '../streams/chunk-pool.ts';
import { truncated } from './archive-errors.ts';
import type { ArchiveInput } from './input.ts';
import { decodePartHead, type PartHead, partHeadBytes } from './part-head.ts';

interface Part {
  readonly path: string;
  readonly head: PartHead;
  /** Of the file as it is. */
  readonly size: number;
}

/**
 * Inputs with the parts of each divided bundle in place of one: that bundle, as a stream. The order of parts does not matter;
 * what is no part stays what it is.
 * @throws ImgctlError `archive_incomplete` where parts are missing, `archive_truncated` where one is not whole
 */
export async function joinParts(inputs: readonly ArchiveInput[]): Promise<ArchiveInput[]> {
  const found = await Promise.all(
    inputs.map(async (input) => ({
      input,
      part: input.kind === 'path' ? await partAt(input.path) : undefined,
    })),
  );
  const parts = Map.groupBy(
    found.flatMap(({ part }) => part ?? []),
    ({ head }) => `${head.bundle} ${head.limit} ${head.of}`,
  );
  const others = found.filter(({ part }) => part === undefined).map(({ input }) => input);
  const beside = {
    bundles: parts.size,
    strangers: others.flatMap((input) => (input.kind === 'path' ? input.path : [])),
  };
  return [...others, ...[...parts.values()].map((each) => joined(each, beside))];
}

/** What was named beside the parts of a bundle: where one is missing, it may be among these. */
interface Beside {
  readonly bundles: number;
  readonly strangers: readonly string[];
}

/** The part in a regular file, if it is one; what cannot be read is told when it is opened. */
async function partAt(path: string): Promise<Part | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) return undefined;
    const { bytesRead, buffer } = await file.read(Buffer.alloc(partHeadBytes), 0, partHeadBytes, 0);
    const head = decodePartHead(buffer.subarray(0, bytesRead));
    return head === undefined ? undefined : { path, head, size: stats.size };
  } catch {
    return undefined;
  }
}

function joined(parts: readonly Part[], beside: Beside): ArchiveInput {
  const [first] = parts as [Part, ...Part[]];
  const { of } = first.head;
  const byNumber = new Map<number, Part>();
  for (const part of parts) {
    const same = byNumber.get(part.head.part);
    if (same !== undefined) throw twice(same, part);
    byNumber.set(part.head.part, part);
  }
  const numbers = Array.from({ length: of }, (_, i) => i + 1);
  const missing = numbers.filter((number) => !byNumber.has(number));
  if (missing.length > 0) throw incomplete(first, missing, beside);
  const ordered = numbers.flatMap((number) => byNumber.get(number) ?? []);
  for (const { path, head, size } of ordered)
    if (size !== head.bytes) throw truncated(path, `it has ${size} bytes, and had ${head.bytes}`);
  return {
    kind: 'stream',
    stream: bytesOf(ordered),
    label: `${ordered[0]?.path} and its ${of - 1} other parts`,
  };
}

function incomplete(
  { path, head }: Part,
  missing: readonly number[],
  { bundles, strangers }: Beside,
): ImgctlError {
  const [stranger] = strangers;
  const hint =
    bundles > 1
      ? `The files that are named are parts of ${bundles} bundles, or of ${bundles} divisions of one: name those of one.`
      : stranger !== undefined
        ? `${stranger} is no part, or its beginning is damaged: copy it again.`
        : `Name all of its parts in one command, in any order: imgctl images import ${allParts(path)}`;
  return partsMissing(path, head, missing, hint);
}

/** As a shell names them; of a name that a shell would read otherwise an example. */
function allParts(path: string): string {
  return /^[\w./-]+\.\d{3}$/.test(path) ? path.replace(/\d{3}$/, '*') : 'bundle.tar.zst.*';
}

/** Of a divided bundle, these parts are not where the others are. */
export function partsMissing(
  path: string,
  { part, of, bundle }: PartHead,
  missing: readonly number[],
  hint: string,
): ImgctlError {
  const which = missing.length === 1 ? `part ${missing[0]} is` : `parts ${missing.join(', ')} are`;
  return new ImgctlError(
    'archive_incomplete',
    `${path} is part ${part} of ${of} of a bundle, and ${which} not here`,
    { hint, context: { path, bundle: shortDigest(bundle) } },
  );
}

function twice(one: Part, other: Part): ImgctlError {
  const { part, of } = one.head;
  const message = `part ${part} of ${of} of a bundle is named twice: ${one.path} and ${other.path}`;
  return new ImgctlError('archive_conflict', message, {
    hint: 'Name each part once; of two copies that differ, the whole one.',
    context: { path: other.path },
  });
}

async function* bytesOf(parts: readonly Part[]): AsyncGenerator<Uint8Array> {
  for (const { path } of parts) yield* createReadStream(path, { highWaterMark: chunkBytes });
}
