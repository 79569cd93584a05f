/** The paths of the agent's API, written once for both ends. Parameters are percent-encoded. */

export const defaultPort = 25000;

export const routes = {
  node: '/v1/node',
  imports: '/v1/imports',
  import: (id: string) => `/v1/imports/${encodeURIComponent(id)}`,
  importEvents: (id: string) => `/v1/imports/${encodeURIComponent(id)}/events`,
  importBlob: (id: string, digest: string) =>
    `/v1/imports/${encodeURIComponent(id)}/blobs/${encodeURIComponent(digest)}`,
  importBlobFetch: (id: string, digest: string) =>
    `/v1/imports/${encodeURIComponent(id)}/blobs/${encodeURIComponent(digest)}/fetch`,
  blobsHave: '/v1/blobs/have',
  blob: (digest: string) => `/v1/blobs/${encodeURIComponent(digest)}`,
  images: '/v1/images',
  image: (name: string) => `/v1/images/${encodeURIComponent(name)}`,
  imagesDirectory: '/v1/images-dir',
  archiveImport: '/v1/images/import',
  registryImage: '/v1/registry/image',
  peersCheck: '/v1/peers/check',
  microk8sImport: '/cluster/api/v2.0/image/import',
  healthz: '/healthz',
  readyz: '/readyz',
  metrics: '/metrics',
} as const;

/**
 * While an agent passes a blob on it says `102 Processing` from time to time; and once, when it has the blob itself
 * although the body has not ended, `103 Early Hints`, with a link to it: no more of the body is wanted then, only
 * the connection, for the answer.
 */
export const enoughStatus = 103;

/** The largest JSON body of a request or answer, in bytes; what is more is declared in several requests. */
export const maxJsonBytes = 32 * 1024 * 1024;

/** Documents sent in one request add up to no more than this before base64, in bytes. */
export const maxDocumentsPerRequestBytes = 12 * 1024 * 1024;

/** An event stream that has nothing to say says so this often, in milliseconds. */
export const aliveIntervalMs = 5_000;

/** One line of an event stream, in bytes; the terminal one lists every image and may have `maxJsonBytes`. */
export const maxEventLineBytes = 1024 * 1024;
