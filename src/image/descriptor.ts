import * as z from 'zod';
import { type Digest, isDigest } from './digest.ts';

/** Descriptors as the OCI image specification 1.1 has them; what else one carries is kept. */

export const digestSchema = z.custom<Digest>(isDigest, 'not a digest (algorithm:hex)');

export const platformSchema = z.object({
  architecture: z.string().max(64),
  os: z.string().max(64),
  variant: z.string().max(64).optional(),
  'os.version': z.string().max(128).optional(),
  'os.features': z.array(z.string().max(128)).max(64).optional(),
});

export const descriptorSchema = z.object({
  mediaType: z.string().max(256).default(''),
  digest: digestSchema,
  size: z.number().int().nonnegative(),
  platform: platformSchema.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  artifactType: z.string().max(256).optional(),
});

type Parsed = z.infer<typeof descriptorSchema>;

export interface Descriptor extends Pick<Parsed, 'mediaType' | 'digest' | 'size'> {
  readonly platform?: Parsed['platform'] | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly artifactType?: string | undefined;
}

/** The three fields that identify content, without what an index says about it. */
export function bareDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}
