/**
 * Decodes one LZ4 block (lz4_Block_format.md) into `target` from `start` on. Matches may reach back to the beginning
 * of `target`: what stands before `start` is the window of the blocks before.
 * @returns where the decoded bytes end; undefined where the block is malformed or has more bytes than fit
 */
export function decodeLz4Block(source: Uint8Array, target: Uint8Array, start: number): number | undefined {
  let [from, to] = [0, start];
  /** A length goes on, in bytes of 255, where its four bits are full. */
  const extend = (length: number): number => {
    let total = length;
    for (let byte = 255; byte === 255; total += byte) {
      byte = source[from++] ?? Number.NaN;
    }
    return total;
  };
  while (from < source.length) {
    const token = source[from++] ?? 0;
    let literals = token >> 4;
    if (literals === 15) literals = extend(literals);
    // Written so that NaN, a length that is cut off, fails too
    if (!(from + literals <= source.length && to + literals <= target.length)) return undefined;
    target.set(source.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence is literals alone
    if (from === source.length) return to;
    const distance = (source[from] ?? 0) | ((source[from + 1] ?? 0) << 8);
    from += 2;
    let length = token & 15;
    if (length === 15) length = extend(length);
    length += 4;
    if (from > source.length || distance === 0 || distance > to) return undefined;
    if (!(to + length <= target.length)) return undefined;
    if (distance >= length) target.copyWithin(to, to - distance, to - distance + length);
    // A match that overlaps itself repeats what it has just written
    else for (let i = 0; i < length; i++) target[to + i] = target[to + i - distance] ?? 0;
    to += length;
  }
  return undefined;
}
