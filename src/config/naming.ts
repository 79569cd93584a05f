import { ImgctlError } from '../errors.ts';

/** What is wrong with a value is told with who said it. */
export function naming<T>(who: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof ImgctlError)) throw thrown;
    throw new ImgctlError(thrown.code, `${who}: ${thrown.message}`, { hint: thrown.hint });
  }
}
