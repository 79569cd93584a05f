import { hasCode, ImgctlError } from '../errors.ts';
import { peek } from '../streams/peek.ts';
import { decodePartHead, partHeadBytes } from './part-head.ts';

/**
 * Reads a stream that may be a part of a divided bundle, or its parts one after the other: where that fails, the part that
 * it begins with is told.
 * @throws ImgctlError `archive_incomplete`, and whatever `read` throws
 */
export async function tellingPart<T>(
  stream: AsyncIterable<Uint8Array>,
  label: string,
  read: (stream: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const { start, stream: whole } = await peek(stream, partHeadBytes);
  const head = decodePartHead(start);
  try {
    return await read(whole);
  } catch (thrown) {
    if (head === undefined || head.of === 1) throw thrown;
    const { part, of } = head;
    // What follows the first part is damaged, or is not there; any other is no beginning
    const codes =
      part === 1
        ? (['archive_truncated'] as const)
        : (['archive_truncated', 'archive_unreadable', 'archive_empty'] as const);
    if (!hasCode(thrown, ...codes)) throw thrown;
    throw new ImgctlError(
      'archive_incomplete',
      `${label} begins with part ${part} of ${of} of a bundle, and is not the whole of it`,
      {
        hint: 'Name all of its parts in one command, in any order (imgctl images import bundle.tar.zst.*), or put them one after the other: cat bundle.tar.zst.* | imgctl images import',
        context: { path: label },
        cause: thrown,
      },
    );
  }
}
