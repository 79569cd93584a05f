import { ImgctlError } from '../errors.ts';
import type { Answer } from './transport.ts';

/** A document that takes longer than this to arrive, in milliseconds, is sent so on purpose. */
const longestMs = 60_000;
const leaveWithinMs = 5_000;
const leaveBytes = 64 * 1024;

/**
 * The body of a small answer; undefined, and no more read, where it is longer.
 * @throws ImgctlError `registry_unreachable` where it does not end in time; what undici does where it breaks off
 */
export async function readBounded(
  { body }: Answer,
  maxBytes: number,
  withinMs = longestMs,
): Promise<Buffer | undefined> {
  const late = new ImgctlError('registry_unreachable', `an answer did not end within ${withinMs / 1000} s`, {
    hint: 'It may pass: try again.',
  });
  const timer = setTimeout(() => body.destroy(late), withinMs);
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      length += chunk.byteLength;
      // Leaving the loop destroys the stream
      if (length > maxBytes) return undefined;
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, length);
  } finally {
    clearTimeout(timer);
  }
}

/** A body that is not read: its connection goes with it, unless little is left. */
export async function leave({ body }: Answer): Promise<void> {
  try {
    await body.dump({ limit: leaveBytes, signal: AbortSignal.timeout(leaveWithinMs) });
  } catch {
    body.on('error', () => {}).destroy();
  }
}
