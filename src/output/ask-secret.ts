import { openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';

/** Longer than what anybody types. */
const maxLength = 4096;

/**
 * Asks the person at the terminal for a secret, which is not shown. It is the terminal itself that is asked, whatever
 * standard input and output are.
 * @returns undefined where there is none, or Ctrl-D ends the input
 * @throws the signal's reason, also after Ctrl-C
 */
export async function askSecret(prompt: string, signal: AbortSignal): Promise<string | undefined> {
  signal.throwIfAborted();
  const descriptor = openTerminal();
  if (descriptor === undefined) return undefined;
  const input = new ReadStream(descriptor);
  try {
    // Nothing that is typed is shown; Ctrl-C comes as a character then
    input.setRawMode(true);
    writeSync(descriptor, prompt);
    return await lineOf(input, signal);
  } finally {
    input.setRawMode(false);
    writeSync(descriptor, '\n');
    input.destroy();
  }
}

function openTerminal(): number | undefined {
  try {
    return openSync('/dev/tty', 'r+');
  } catch {
    return undefined;
  }
}

async function lineOf(input: ReadStream, signal: AbortSignal): Promise<string | undefined> {
  const typed = Promise.withResolvers<string | undefined>();
  const stop = () => typed.reject(signal.reason);
  signal.addEventListener('abort', stop);
  let line: string[] = [];
  input.setEncoding('utf8').on('error', typed.reject);
  input.on('end', () => typed.resolve(undefined));
  input.on('data', (keys: string) => {
    for (const key of keys) {
      if (key === '\r' || key === '\n') typed.resolve(line.join(''));
      else if (key === '\u0004' && line.length === 0) typed.resolve(undefined);
      else if (key === '\u0003') process.kill(process.pid, 'SIGINT');
      else if (key === '\u007f' || key === '\b') line.pop();
      else if (key === '\u0015') line = [];
      else if (line.length < maxLength) line.push(key);
    }
  });
  try {
    return await typed.promise;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
