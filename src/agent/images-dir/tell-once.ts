import { printable, toImgctlError } from '../../errors.ts';
import type { Log } from '../log.ts';

/** Logs why what files gave cannot be written down, each reason once: it costs reading files again, and nothing else. */
export function tellOnce(log: Log): (thrown: unknown) => void {
  const told = new Set<string>();
  return (thrown) => {
    // Without the name of the draft, which is another one each time
    const message = printable(toImgctlError(thrown).message).replace(/\.\d+\.[0-9a-f]{8}(?=')/, '');
    if (told.has(message)) return;
    told.add(message);
    log.warn({ message }, 'it cannot be written down what files gave');
  };
}
