import * as z from 'zod';
import { type ErrorCode, type ErrorContext, ImgctlError, printable } from '../errors.ts';

/** Errors as they travel: `{"error":{"code","message","hint?","context?"}}`. Causes stay at home, in the agent's log. */

export const errorSchema = z.object({
  code: z.string().max(64),
  message: z.string().max(4096),
  hint: z.string().max(4096).optional(),
  context: z.record(z.string(), z.union([z.string(), z.number(), z.array(z.string())])).optional(),
});

export const errorBodySchema = z.object({ error: errorSchema });

export type WireError = z.infer<typeof errorSchema>;

export function errorToWire(error: ImgctlError): WireError {
  const context = Object.fromEntries(
    Object.entries(error.context).filter(([, value]) => value !== undefined),
  );
  return {
    code: error.code,
    message: error.message.slice(0, 4096),
    ...(error.hint === undefined ? {} : { hint: error.hint.slice(0, 4096) }),
    ...(Object.keys(context).length === 0 ? {} : { context: context as NonNullable<WireError['context']> }),
  };
}

/** A peer's error as ours. A code that this version does not know is kept: it is shown, and nothing depends on it. */
export function errorFromWire(wire: WireError, context: ErrorContext = {}): ImgctlError {
  return new ImgctlError(wire.code as ErrorCode, printable(wire.message), {
    hint: wire.hint === undefined ? undefined : printable(wire.hint),
    context: { ...printableContext(wire.context), ...context },
  });
}

function printableContext(context: WireError['context']): ErrorContext {
  return Object.fromEntries(
    Object.entries(context ?? {}).map(([key, value]) => [
      printable(key),
      typeof value === 'number' ? value : Array.isArray(value) ? value.map(printable) : printable(value),
    ]),
  );
}
