/** The same bytes without the first `count`. */
export async function* skipBytes(
  chunks: AsyncIterable<Uint8Array>,
  count: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = count;
  for await (const chunk of chunks) {
    if (left >= chunk.byteLength) {
      left -= chunk.byteLength;
    } else if (left > 0) {
      yield chunk.subarray(left);
      left = 0;
    } else {
      yield chunk;
    }
  }
}
