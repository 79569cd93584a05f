import type { Writable } from 'node:stream';

/** A stream that people may sit in front of. */
export interface OutputStream extends Writable {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export interface OutputStreams {
  /** Where the result goes. */
  readonly stdout: OutputStream;
  /** Where progress, remarks and errors go. */
  readonly stderr: OutputStream;
}

/** Writes lines, in one write. */
export function printLines(stream: Writable, lines: readonly string[]): void {
  if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
}

/** Text that is ready: a version, help, a script. */
export function printText(stream: Writable, text: string): void {
  stream.write(text);
}
