import * as z from 'zod';
import { digestSchema } from '../image/descriptor.ts';
import { errorSchema } from './errors.ts';
import { imageStatusSchema } from './schemas.ts';

/**
 * What an import tells while it goes on: NDJSON, one event a line. A stream starts with where each image stands and
 * ends with `done` or `error`; one that ends without has failed.
 */

const blobEvent = z.object({
  type: z.literal('blob'),
  digest: digestSchema,
  /** Bytes that the store holds of it now. */
  offset: z.number().int().nonnegative(),
  size: z.number().int().nonnegative(),
});

const unpackEvent = z.object({
  type: z.literal('unpack'),
  image: z.string().max(1024),
  digest: digestSchema,
  /** Layers of the image that are unpacked, of how many. */
  layers: z.number().int().nonnegative(),
  of: z.number().int().nonnegative(),
});

const imageEvent = imageStatusSchema.extend({ type: z.literal('image') });

const warningEvent = z.object({
  type: z.literal('warning'),
  message: z.string().max(4096),
  image: z.string().max(1024).optional(),
});

/** `busy` names work that moves no bytes: the peer's stall clock stands still for it. */
const aliveEvent = z.object({
  type: z.literal('alive'),
  busy: z.enum(['hash', 'fsync', 'unpack', 'verify']).optional(),
});

/** Terminal: every image is ready or failed. */
const doneEvent = z.object({ type: z.literal('done'), images: z.array(imageStatusSchema) });

/** Terminal: the import itself ended, for instance because the agent stops. */
const errorEvent = z.object({ type: z.literal('error'), error: errorSchema });

export const importEventSchema = z.discriminatedUnion('type', [
  blobEvent,
  unpackEvent,
  imageEvent,
  warningEvent,
  aliveEvent,
  doneEvent,
  errorEvent,
]);
export type ImportEvent = z.infer<typeof importEventSchema>;

export function isTerminal(event: ImportEvent): boolean {
  return event.type === 'done' || event.type === 'error';
}
