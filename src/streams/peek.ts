/**
 * The first bytes of a stream, and the same stream from its beginning on.
 * `start` is shorter than `bytes` only where the stream is.
 */
export async function peek(
  stream: AsyncIterable<Uint8Array>,
  bytes: number,
): Promise<{ start: Uint8Array; stream: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  while (length < bytes && !ended) {
    const { done, value } = await iterator.next();
    if (done) ended = true;
    else {
      held.push(value);
      length += value.byteLength;
    }
  }
  const start = Buffer.concat(held).subarray(0, bytes);
  return { start, stream: resume(held, iterator, ended) };
}

async function* resume(
  held: Uint8Array[],
  iterator: AsyncIterator<Uint8Array>,
  ended: boolean,
): AsyncGenerator<Uint8Array> {
  let finished = ended;
  try {
    for (let chunk = held.shift(); chunk !== undefined; chunk = held.shift()) yield chunk;
    while (!finished) {
      const { done, value } = await iterator.next();
      if (done) finished = true;
      else yield value;
    }
  } finally {
    // Not waited for: it may be in the middle of a read from a silent pipe
    if (!finished) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
