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
  return [...others, ...[...parts.values()].map(joined)];
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

function joined(parts: readonly Part[]): ArchiveInput {
  const byNumber = new Map(parts.map((part) => [part.head.part, part]));
  const [first] = parts as [Part, ...Part[]];
  const { of, bundle } = first.head;
  const numbers = Array.from({ length: of }, (_, i) => i + 1);
  const missing = numbers.filter((number) => !byNumber.has(number));
  if (missing.length > 0) {
    const which = missing.length === 1 ? `part ${missing[0]} is` : `parts ${missing.join(', ')} are`;
    throw new ImgctlError(
      'archive_incomplete',
      `${first.path} is part ${first.head.part} of ${of} of a bundle, and ${which} not here`,
      {
        hint: 'Name all of its parts in one command, in any order: imgctl images import bundle.tar.zst.*',
        context: { path: first.path, bundle: shortDigest(bundle) },
      },
    );
  }
  const ordered = numbers.flatMap((number) => byNumber.get(number) ?? []);
  for (const { path, head, size } of ordered)
    if (size !== head.bytes) throw truncated(path, `it has ${size} bytes, and had ${head.bytes}`);
  return {
    kind: 'stream',
    stream: bytesOf(ordered),
    label: `${ordered[0]?.path} and its ${of - 1} other parts`,
  };
}

async function* bytesOf(parts: readonly Part[]): AsyncGenerator<Uint8Array> {
  for (const { path } of parts) yield* createReadStream(path, { highWaterMark: chunkBytes });
}
