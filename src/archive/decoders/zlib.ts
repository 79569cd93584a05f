import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { abortable } from '../../streams/abortable.ts';
import { truncated, unreadable } from '../archive-errors.ts';

/** Of each chunk that comes out, in bytes: larger ones are new memory too, and lie about longer, 15 MB more at two archives at once. */
export const decodedBytes = 256 * 1024;

/** The code by which node:zlib says that the input ended early. */
const cutCode = 'Z_BUF_ERROR';

/**
 * What a decompressor of node:zlib makes of `input`, with back-pressure: input is asked for as it is used up.
 * @throws ImgctlError `archive_truncated`, `archive_unreadable`, and whatever `input` throws
 */
export async function* throughZlib(
  input: AsyncIterable<Uint8Array>,
  zlib: Transform,
  { label, format }: { label: string; format: string },
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController();
  let inputError: unknown;
  zlib.once('close', () => stop.abort());
  const feeding = feed(input, zlib, stop.signal).catch((thrown: unknown) => {
    if (stop.signal.aborted) return;
    inputError = thrown;
    zlib.destroy(new Error('its input failed'));
  });
  try {
    yield* zlib as AsyncIterable<Uint8Array>;
  } catch (thrown) {
    if (inputError !== undefined) throw inputError;
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code === cutCode) throw truncated(label, `its ${format} data end early`, thrown);
    throw unreadable(label, `its ${format} data are damaged (${message})`, { cause: thrown });
  } finally {
    stop.abort();
    zlib.destroy();
    await feeding;
  }
}

async function feed(input: AsyncIterable<Uint8Array>, zlib: Transform, signal: AbortSignal): Promise<void> {
  for await (const chunk of abortable(input, signal)) {
    if (!zlib.write(chunk)) await once(zlib, 'drain', { signal });
  }
  zlib.end();
}
