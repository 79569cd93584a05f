import * as z from 'zod';
import { descriptorSchema, digestSchema } from '../image/descriptor.ts';
import { imageNameSchema, registryLoginSchema } from './registry-source.ts';
import { documentSchema } from './schemas.ts';

/** What an image is at its registry, as an agent reads it: no layer of it. */

const platformsSchema = z.array(z.string().max(128)).min(1).max(64);

export const registryImageRequestSchema = z.object({
  reference: imageNameSchema,
  /** What suits at least one of these is read; none: every platform that there is. */
  platforms: z
    .array(
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('all') }),
        z.object({ kind: z.literal('hosts'), platforms: platformsSchema }),
        z.object({ kind: z.literal('named'), platforms: platformsSchema }),
      ]),
    )
    .max(64),
  logins: z.array(registryLoginSchema).max(100).optional(),
  /** Requests of the same run share connections, tokens, and what the node's files said when the first one came. */
  run: z.string().max(64).optional(),
});
export type RegistryImageRequest = z.infer<typeof registryImageRequestSchema>;

export const registryImageSchema = z.object({
  target: descriptorSchema,
  /** Its index, manifests and configs. */
  documents: z.array(documentSchema).max(10_000),
  /** What else it is made of, on the platforms that were asked for. */
  blobs: z.array(z.object({ digest: digestSchema, size: z.number().int().nonnegative() })).max(100_000),
});
export type RegistryImage = z.infer<typeof registryImageSchema>;
