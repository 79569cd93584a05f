import * as z from 'zod';
import { descriptorSchema, digestSchema } from '../image/descriptor.ts';
import { errorSchema } from './errors.ts';
import { maxRateSchema } from './max-rate.ts';
import { registrySourceSchema } from './registry-source.ts';
import { routeSchema } from './relay.ts';

/** The JSON bodies of the agent's API, v1: one set of schemas for both ends. Sizes in bytes, times in milliseconds. */

export const apiVersion = 'v1';

const nameSchema = z.string().min(1).max(1024);

export const imageStateSchema = z.enum(['declared', 'receiving', 'unpacking', 'ready', 'failed']);
export type ImageState = z.infer<typeof imageStateSchema>;

export const nodeInfoSchema = z.object({
  name: z.string().max(256),
  version: z.string().max(64),
  api: z.string().max(16),
  platforms: z.array(z.string().max(128)).max(64),
  store: z.object({
    kind: z.string().max(32),
    version: z.string().max(128),
    snapshotter: z.string().max(128).optional(),
    namespace: z.string().max(256),
    cri: z.boolean(),
  }),
  freeBytes: z.number().nonnegative().optional(),
  features: z.array(z.string().max(64)).max(64),
  /** How long the agent has run. */
  uptimeMs: z.number().nonnegative().optional(),
  /** The node's clock, in milliseconds since 1970 (UTC). */
  timeMs: z.number().optional(),
  /** The certificate that the agent shows; absent where it speaks plain HTTP. `notAfter` is an ISO 8601 time. */
  tls: z.object({ notAfter: z.iso.datetime(), fingerprint: z.string().max(128) }).optional(),
});
export type NodeInfo = z.infer<typeof nodeInfoSchema>;

const declaredImageSchema = z.object({ name: nameSchema.optional(), target: descriptorSchema });

export const documentSchema = z.object({ descriptor: descriptorSchema, data: z.base64() });

/** `platforms`: absent: what the node runs; `["all"]`: every platform that is at hand. */
export const declarationSchema = z.object({
  images: z.array(declaredImageSchema).max(100_000).default([]),
  documents: z.array(documentSchema).max(100_000).default([]),
  namespace: z.string().max(256).optional(),
  platforms: z.array(z.string().max(128)).min(1).max(64).optional(),
  pin: z.boolean().optional(),
  unpack: z.boolean().optional(),
  keepContent: z.boolean().optional(),
  /** What the node sends to its peers while it passes this import's blobs on, or they fetch them, in bytes a second. */
  maxRate: maxRateSchema.optional(),
  /** Answer what would be missing; begin nothing. The answer's `id` is empty. */
  dryRun: z.boolean().optional(),
});
export type Declaration = Partial<z.output<typeof declarationSchema>>;

export const moreSchema = declarationSchema.pick({ images: true, documents: true });
export type More = Partial<z.output<typeof moreSchema>>;

export const missingBlobSchema = z.object({
  digest: digestSchema,
  size: z.number().int().nonnegative(),
  mediaType: z.string().max(256),
  /** Bytes of a broken-off transfer that the store still holds. */
  offset: z.number().int().nonnegative(),
});
export type MissingBlob = z.infer<typeof missingBlobSchema>;

export const imageStatusSchema = z.object({
  name: z.string().max(1024),
  digest: digestSchema,
  state: imageStateSchema,
  /** Whether nothing had to be done: it was there already, whole, unpacked and named so. */
  unchanged: z.boolean().optional(),
  error: errorSchema.optional(),
});
export type ImageStatus = z.infer<typeof imageStatusSchema>;

export const importStateSchema = z.object({
  id: z.string().max(128),
  images: z.array(imageStatusSchema),
  missing: z.array(missingBlobSchema),
  /** Blobs that the import needs, and those of them that were there when it was declared: bytes. */
  totalBytes: z.number().nonnegative(),
  presentBytes: z.number().nonnegative(),
});
export type ImportState = z.infer<typeof importStateSchema>;

export const relayResultSchema = z.object({
  node: z.string().max(256),
  /** Whether that node has the blob now, whole and verified. */
  ok: z.boolean(),
  error: errorSchema.optional(),
  /** Bytes that it holds, where it said so: it is to be fed from there. */
  offset: z.number().int().nonnegative().optional(),
});
export type RelayResult = z.infer<typeof relayResultSchema>;

export const putResultSchema = z.object({
  /** Bytes that this request brought. */
  received: z.number().int().nonnegative(),
  /**
   * Only where the blob was to be passed on: why this node does not have it, and how much it holds. Those behind it may
   * have it all the same.
   */
  error: errorSchema.optional(),
  offset: z.number().int().nonnegative().optional(),
  /** The hops behind this node, in the order of the route. */
  relay: z.array(relayResultSchema).default([]),
});
export type PutResult = z.infer<typeof putResultSchema>;

/** `http[s]://host:port` each. */
const peerUrlsSchema = z.array(z.string().min(1).max(300)).max(1000);

export const fetchRequestSchema = z
  .object({
    /** Agents that may have the blob; those first that should be asked first. */
    from: peerUrlsSchema.default([]),
    /** In place of agents; `size` is needed then. */
    registry: registrySourceSchema.optional(),
    /** Of the blob, where the import does not know it. */
    size: z.number().int().nonnegative().optional(),
    /** The nodes that are to get it from this one while it comes, in order; `size` is needed then. */
    relay: routeSchema.optional(),
    /** With `relay`, or from a registry: where to begin. Each node on the way holds so many bytes, or more. */
    offset: z.number().int().nonnegative().default(0),
  })
  .refine(({ from, registry }) => from.length > 0 !== (registry !== undefined), {
    path: ['from'],
    error: 'peers or a registry have to be named, and not both',
  });

export const fetchResultSchema = z.object({
  /** Bytes that this request brought. */
  received: z.number().int().nonnegative(),
  /** An entry for each peer, in order: `bytes` that it sent, and why it was asked no more, or not at the end. */
  from: z.array(
    z.object({
      url: z.string().max(300),
      bytes: z.number().int().nonnegative(),
      error: errorSchema.optional(),
    }),
  ),
  /** These three as `putResultSchema` has them: only where the blob was to be passed on. */
  error: errorSchema.optional(),
  offset: z.number().int().nonnegative().optional(),
  relay: z.array(relayResultSchema).optional(),
});
export type FetchResult = z.infer<typeof fetchResultSchema>;

export const haveRequestSchema = z.object({ digests: z.array(digestSchema).max(100_000) });
export const haveAnswerSchema = z.object({ digests: z.array(digestSchema) });

export const nodeImageSchema = z.object({
  name: z.string().max(1024),
  digest: digestSchema,
  mediaType: z.string().max(256),
  /** Of the document that has this digest; absent from older agents. */
  targetSize: z.number().int().nonnegative().optional(),
  pinned: z.boolean(),
  createdAt: z.string().max(64).optional(),
  /** Bytes of its blobs that are here; absent where its documents are not. */
  size: z.number().nonnegative().optional(),
  platforms: z.array(z.string().max(128)).optional(),
});
export type NodeImage = z.infer<typeof nodeImageSchema>;

export const imagesAnswerSchema = z.object({ images: z.array(nodeImageSchema) });

export const removeAnswerSchema = z.object({ removed: z.boolean(), name: z.string().max(1024) });

/** A word that a newer agent may have more of: one that is not known here is shown as it is. */
const openWordSchema = z.string().regex(/^[a-z][a-z-]{0,31}$/);

/** `superseded`: a file that came later gives another image of this name. */
type DirectoryImageState = 'waiting' | 'pulling' | 'ready' | 'superseded' | 'failed';

/** An image that a file of the images directory names. */
export const directoryImageSchema = z.object({
  name: z.string().max(1024),
  digest: digestSchema.optional(),
  state: openWordSchema,
  error: errorSchema.optional(),
});
export type DirectoryImage = z.infer<typeof directoryImageSchema> & { readonly state: DirectoryImageState };

/**
 * `arriving`: it still changes; `waiting`: for its turn, or, with an error, for the other parts of a divided bundle;
 * `failed`: in part at least.
 */
export type DirectoryFileState = 'arriving' | 'waiting' | 'importing' | 'ready' | 'failed';

/** A file of the images directory. */
export const directoryFileSchema = z.object({
  path: z.string().max(16_384),
  /** `archive`, `list` */
  kind: openWordSchema,
  size: z.number().int().nonnegative(),
  state: openWordSchema,
  /** When it came to this state: RFC 3339. */
  since: z.string().max(64),
  images: z.array(directoryImageSchema),
  error: errorSchema.optional(),
});
export type DirectoryFile = z.infer<typeof directoryFileSchema> & { readonly state: DirectoryFileState };

/** `directory` is absent where the agent has none. `error`: why it, or a part of it, cannot be read. */
export const imagesDirectorySchema = z.object({
  directory: z.string().max(16_384).optional(),
  /** Whether the agent sees who has a file open for writing; where not, a file that stands still is taken for whole. */
  seesWriters: z.boolean().optional(),
  files: z.array(directoryFileSchema),
  error: errorSchema.optional(),
});
export type ImagesDirectoryStatus = z.infer<typeof imagesDirectorySchema>;

/** Agents, `http[s]://host:port` each, that the asked one is to try to reach. */
export const peersRequestSchema = z.object({ urls: peerUrlsSchema });

export const peerCheckSchema = z.object({
  url: z.string().max(300),
  /** Whether an agent answered there, and was trusted. */
  ok: z.boolean(),
  error: errorSchema.optional(),
  /** From the first packet to the answer, the handshake included. */
  rttMs: z.number().nonnegative().optional(),
});
export type PeerCheck = z.infer<typeof peerCheckSchema>;

export const peersAnswerSchema = z.object({ peers: z.array(peerCheckSchema) });

/** Of `/healthz` and `/readyz`. */
export const healthAnswerSchema = z.object({ status: z.literal('ok') });
