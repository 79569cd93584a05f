import * as z from 'zod';
import { isReference } from '../image/reference.ts';

/** Registries as what an agent gets blobs from, by its own node's mirrors, certificates, credentials and proxies. */

/** In a node's features. */
export const registryFeature = 'registry';

const secretSchema = z.string().min(1).max(65_536);

const credentialSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('password'), username: z.string().max(4096), password: secretSchema }),
  z.object({ kind: z.literal('identity'), token: secretSchema }),
  z.object({ kind: z.literal('registry'), token: secretSchema }),
]);

/**
 * A pull secret, as whoever asks has read it: tried before what the node has itself, kept as long as the import that it
 * is for is pulled. It is sent over verified TLS alone.
 */
export const registryLoginSchema = z.object({
  /** Where it stands, for people. */
  source: z.string().max(512),
  /** In the order in which they match, `key` as in Docker's config.json. */
  entries: z.array(z.object({ key: z.string().max(1024), credential: credentialSchema })).max(1000),
});
export type RegistryLogin = z.infer<typeof registryLoginSchema>;

export const imageNameSchema = z.string().min(1).max(1024).refine(isReference, 'is no image reference');

/** A blob is in the repositories of these images. */
export const registrySourceSchema = z.object({
  images: z.array(imageNameSchema).min(1).max(100),
  logins: z.array(registryLoginSchema).max(100).optional(),
});
export type RegistrySource = z.infer<typeof registrySourceSchema>;
