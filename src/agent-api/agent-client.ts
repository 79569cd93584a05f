import type { Digest } from '../image/digest.ts';
import type { RateLimit } from '../streams/rate-limit.ts';
import { AgentHttp } from './agent-http.ts';
import type { BlobToSend, ImportNode, PutOptions } from './import-node.ts';
import { type BlobRange, readBlobThere } from './read-blob-there.ts';
import { type RegistryImage, type RegistryImageRequest, registryImageSchema } from './registry-image.ts';
import { openRemoteImport, previewRemoteImport, putThere } from './remote-import.ts';
import { removeImageThere } from './remove-image-there.ts';
import { routes } from './routes.ts';
import {
  haveAnswerSchema,
  healthAnswerSchema,
  type ImagesDirectoryStatus,
  imagesAnswerSchema,
  imagesDirectorySchema,
  type NodeImage,
  nodeInfoSchema,
  type PeerCheck,
  type PutResult,
  peersAnswerSchema,
} from './schemas.ts';

/**
 * Both ends of the agent's HTTP API share this folder: paths, schemas, events, errors on the wire. This file is the
 * door to the client: an agent across the network that looks like any other node that images are imported into.
 *
 * Promises: every answer is bounded and validated, a peer's text is made printable, no proxy is ever used and no
 * redirect followed. It has no deadline but the connection's: a caller who sees no progress aborts its signal.
 * May import: errors, streams, image, zod; undici here and nowhere else in this tier.
 */

export interface AgentClientOptions {
  /**
   * `http://host:port` or `https://host:port`. Plain HTTP carries the token in the clear: whoever makes the URL has
   * made sure that it is loopback, or that `http://` was written out.
   */
  readonly baseUrl: URL;
  /** What is shown to the agent, and what it is verified against. */
  readonly trust?: AgentTrust | undefined;
  /** What errors call the node. */
  readonly name: string;
  /** Milliseconds; 10 s unless given. */
  readonly connectTimeoutMs?: number | undefined;
  /** At once; 64 unless given. */
  readonly connections?: number | undefined;
  /** What this client sends, together with all others that share it, stays below it; which is fair among them. */
  readonly uplink?: RateLimit | undefined;
}

/** Certificates and the key are PEM. */
export interface AgentTrust {
  readonly token?: string | undefined;
  /** For an agent that has not heard of the new one yet: shown where `token` was refused. */
  readonly previousToken?: string | undefined;
  readonly ca?: string | undefined;
  /** Where `ca` was read from, for messages. */
  readonly caFile?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface AgentClient extends ImportNode, AsyncDisposable {
  readonly name: string;
  readonly baseUrl: URL;
  images(signal?: AbortSignal): Promise<readonly NodeImage[]>;
  /** What has become of the files in the agent's images directory. */
  imagesDirectory(signal?: AbortSignal): Promise<ImagesDirectoryStatus>;
  /** Removes a name; answers whether it was there. */
  removeImage(name: string, signal?: AbortSignal): Promise<boolean>;
  /** Those of `digests` that are there whole. */
  have(digests: readonly Digest[], signal?: AbortSignal): Promise<ReadonlySet<Digest>>;
  /** Bytes of a blob that the agent has whole, in chunks. @throws ImgctlError `blob_unknown`, `node_protocol`, … */
  readBlob(blob: BlobRange, signal?: AbortSignal): AsyncGenerator<Uint8Array>;
  /** What an image is at its registry, as the node reaches that. @throws ImgctlError those of registries */
  registryImage(asked: RegistryImageRequest, signal?: AbortSignal): Promise<RegistryImage>;
  /** `ImportHandle.put` for an import that somebody else opened there. */
  putInto(
    importId: string,
    blob: BlobToSend,
    body: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    options?: PutOptions,
  ): Promise<PutResult>;
  /** Whether an agent answers at all; needs no token. @throws ImgctlError `node_unreachable`, `node_not_agent` */
  healthz(signal?: AbortSignal): Promise<void>;
  /** Which of the agents at `urls` (1000 at most) the node itself reaches and trusts; an entry for each, in order. */
  checkPeers(urls: readonly string[], signal?: AbortSignal): Promise<readonly PeerCheck[]>;
}

export function createAgentClient(options: AgentClientOptions): AgentClient {
  const http = new AgentHttp(options);
  return {
    name: options.name,
    baseUrl: options.baseUrl,
    describe: (signal) => http.json('GET', routes.node, { schema: nodeInfoSchema, signal }),
    openImport: (declaration, signal) => openRemoteImport(http, declaration, signal),
    previewImport: (declaration, signal) => previewRemoteImport(http, declaration, signal),
    waitedAt: () => http.waitedAt,
    images: async (signal) =>
      (await http.json('GET', routes.images, { schema: imagesAnswerSchema, signal })).images,
    imagesDirectory: (signal) =>
      http.json('GET', routes.imagesDirectory, { schema: imagesDirectorySchema, signal }),
    removeImage: (name, signal) => removeImageThere(http, name, signal),
    have: async (digests, signal) => {
      const body = { digests };
      const answer = await http.json('POST', routes.blobsHave, { schema: haveAnswerSchema, body, signal });
      return new Set(answer.digests);
    },
    readBlob: (blob, signal) => readBlobThere(http, blob, signal),
    registryImage: (body, signal) =>
      http.json('POST', routes.registryImage, { schema: registryImageSchema, body, signal }),
    putInto: (importId, blob, body, signal, options) =>
      putThere(http, importId, { ...options, blob, body, signal }),
    healthz: async (signal) => {
      await http.json('GET', routes.healthz, { schema: healthAnswerSchema, signal });
    },
    checkPeers: async (urls, signal) => {
      const body = { urls };
      return (await http.json('POST', routes.peersCheck, { schema: peersAnswerSchema, body, signal })).peers;
    },
    [Symbol.asyncDispose]: () => http.close(),
  };
}
