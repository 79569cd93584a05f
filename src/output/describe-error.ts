import { type ImgctlError, isAbortError, printable } from '../errors.ts';
import type { Style } from './style.ts';

/** Longer chains say nothing more. */
const maxCauses = 3;

/** What a person is told first about where it happened; the rest of the context is for machines. */
const shown = ['node', 'image', 'digest', 'path', 'phase'] as const;

/** An error in lines: `Error [code]: message`, where, why, and what to do. */
export function describeError(error: ImgctlError, style: Style): string[] {
  const lines = [`${style.red('Error')} [${printable(error.code)}]: ${printable(error.message)}`];
  const where = shown.flatMap((key) => {
    const value = error.context[key];
    // Said in the message already
    if (value === undefined || error.message.includes(String(value))) return [];
    return [`${key} ${printable(String(value))}`];
  });
  if (where.length > 0) lines.push(`  ${where.join(', ')}`);
  for (const cause of causes(error)) lines.push(style.dim(`  Cause: ${cause}`));
  if (error.hint !== undefined) lines.push(`  Hint: ${printable(error.hint)}`);
  return lines;
}

/** The messages of an error's causes that say something new. */
export function causes(error: Error): string[] {
  const messages: string[] = [];
  let said = error.message;
  let cause = error.cause;
  while (cause instanceof Error && messages.length < maxCauses) {
    const message = printable(cause.message).trim();
    // That it was aborted is what the error itself says
    if (message !== '' && !said.includes(message) && !isAbortError(cause))
      messages.push(message.slice(0, 500));
    said += message;
    cause = cause.cause;
  }
  return messages;
}
