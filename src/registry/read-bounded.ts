import type { Answer } from './transport.ts';

/** The body of a small answer; undefined, and no more read, where it is longer. */
export async function readBounded({ body }: Answer, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength;
    // Leaving the loop destroys the stream
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** A body that is not read: its connection goes with it, unless little is left. */
export async function leave({ body }: Answer): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => undefined);
}
