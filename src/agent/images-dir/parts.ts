import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { truncated } from '../../archive/archive-errors.ts';
import { joinParts, partsMissing } from '../../archive/join-parts.ts';
import { decodePartHead, type PartHead, partHeadBytes } from '../../archive/part-head.ts';
import { ImgctlError } from '../../errors.ts';
import type { FoundFile } from './found-file.ts';
import type { OpenFile } from './import-file.ts';

/** The parts of one divided bundle that the directory has. */
export interface PartGroup {
  /** In whose name the bundle is imported: the first of them. */
  readonly leader: FoundFile;
  readonly files: readonly FoundFile[];
  /** Why it cannot be imported yet. */
  readonly waitsFor: ImgctlError | undefined;
}

const putAll =
  'Put all of its parts into the directory, in any order: it is imported when the last one is there.';

/** Of each state of a file, once. */
const heads = new WeakMap<FoundFile, Promise<PartHead | undefined>>();

/**
 * The group that a file belongs to; undefined for what is no part. `others` is asked for parts alone, and may have the file
 * itself among them.
 * @throws ImgctlError `archive_truncated` where it is shorter or longer than it says
 */
export async function partGroup(
  file: FoundFile,
  others: () => readonly FoundFile[],
): Promise<PartGroup | undefined> {
  const head = await headOf(file);
  if (head === undefined) return undefined;
  const { size } = file.identity;
  if (size !== head.bytes) throw truncated(file.path, `it has ${size} bytes, and had ${head.bytes}`);
  const found = new Map<number, FoundFile>([[head.part, file]]);
  for (const other of others()) {
    if (other.kind !== 'archive') continue;
    const its = await headOf(other);
    if (its === undefined || its.bytes !== other.identity.size) continue;
    if (its.bundle !== head.bundle || its.limit !== head.limit || its.of !== head.of) continue;
    // A copy of a part is no other part; each of the copies must see the same group
    const before = found.get(its.part);
    if (before === undefined || other.path < before.path) found.set(its.part, other);
  }
  const numbers = Array.from({ length: head.of }, (_, i) => i + 1);
  const files = numbers.flatMap((number) => found.get(number) ?? []);
  const missing = numbers.filter((number) => !found.has(number));
  return {
    leader: files[0] ?? file,
    files,
    waitsFor: missing.length === 0 ? undefined : partsMissing(file.path, head, missing, putAll),
  };
}

/** All of a group as one archive. */
export function openGroup({ files }: PartGroup): OpenFile {
  return async () => {
    const [input] = await joinParts(files.map(({ path }) => ({ kind: 'path', path })));
    if (input === undefined) throw new ImgctlError('no_archive', 'a bundle without parts');
    return { input, [Symbol.asyncDispose]: async () => {} };
  };
}

function headOf(file: FoundFile): Promise<PartHead | undefined> {
  const known = heads.get(file);
  if (known !== undefined) return known;
  // What cannot be read is told when it is imported, and may be read another time
  const head = readHead(file).catch(() => {
    heads.delete(file);
    return undefined;
  });
  heads.set(file, head);
  return head;
}

async function readHead({ at }: FoundFile): Promise<PartHead | undefined> {
  await using file = await open(at, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await file.stat()).isFile()) return undefined;
  const { bytesRead, buffer } = await file.read(Buffer.alloc(partHeadBytes), 0, partHeadBytes, 0);
  return decodePartHead(buffer.subarray(0, bytesRead));
}
