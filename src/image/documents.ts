import * as z from 'zod';
import { ImgctlError } from '../errors.ts';
import { type Descriptor, descriptorSchema, digestSchema } from './descriptor.ts';
import type { Digest } from './digest.ts';
import { isImageConfigType, isIndexType, isManifestType } from './media-types.ts';
import { normalizePlatform, type Platform } from './platform.ts';

/**
 * The small JSON documents of an image: index, manifest, config (OCI image specification; Docker schema 2).
 * They are the only blobs that are ever held in memory, and only up to `maxDocumentBytes`.
 */

/** The largest index, manifest or config that is read, in bytes. containerd has the same limit for manifests. */
export const maxDocumentBytes = 8 * 1024 * 1024;

export interface Index {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

export interface Manifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageConfig {
  readonly kind: 'config';
  readonly platform: Platform;
  /** Bottom layer first. */
  readonly diffIds: readonly Digest[];
}

export type ImageDocument = Index | Manifest | ImageConfig;

const indexSchema = z.object({
  mediaType: z.string().optional(),
  manifests: z.array(descriptorSchema).nullish(),
});

const manifestSchema = z.object({
  mediaType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).nullish(),
});

const configSchema = z.object({
  os: z.string().default(''),
  architecture: z.string().default(''),
  variant: z.string().optional(),
  rootfs: z.object({ diff_ids: z.array(digestSchema).nullish() }).nullish(),
});

/** Whether a descriptor leads to further blobs, or to the list of diff IDs: those are read, never just copied. */
export function isDocumentType(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType) || isImageConfigType(mediaType);
}

/** @throws ImgctlError `document_invalid`, `document_too_large` */
export function parseDocument(descriptor: Descriptor, bytes: Uint8Array): ImageDocument {
  if (isIndexType(descriptor.mediaType)) return parseIndex(bytes, descriptor);
  if (isManifestType(descriptor.mediaType)) return parseManifest(bytes, descriptor);
  if (isImageConfigType(descriptor.mediaType)) return parseConfig(bytes, descriptor);
  throw invalid(descriptor, `its media type ${JSON.stringify(descriptor.mediaType)} is none of an image`);
}

export function parseIndex(bytes: Uint8Array, descriptor?: Descriptor): Index {
  const json = parseJson(bytes, descriptor);
  mustBeUnambiguous(json, ['mediaType', 'manifests'], isManifestType, descriptor);
  const { manifests, mediaType } = check(indexSchema, json, descriptor);
  return { kind: 'index', mediaType: mediaType ?? descriptor?.mediaType ?? '', manifests: manifests ?? [] };
}

export function parseManifest(bytes: Uint8Array, descriptor?: Descriptor): Manifest {
  const json = parseJson(bytes, descriptor);
  mustBeUnambiguous(json, ['mediaType', 'config', 'layers'], isIndexType, descriptor);
  const { config, layers, mediaType } = check(manifestSchema, json, descriptor);
  return {
    kind: 'manifest',
    mediaType: mediaType ?? descriptor?.mediaType ?? '',
    config,
    layers: layers ?? [],
  };
}

export function parseConfig(bytes: Uint8Array, descriptor?: Descriptor): ImageConfig {
  const { os, architecture, variant, rootfs } = check(configSchema, parseJson(bytes, descriptor), descriptor);
  return {
    kind: 'config',
    // Old builders wrote only an architecture
    platform: normalizePlatform({ os: os || 'linux', architecture, variant }),
    diffIds: rootfs?.diff_ids ?? [],
  };
}

/**
 * One document that reads as an index to one tool and as a manifest to another is an attack (CVE-2021-41190).
 * Keys in another case count too: Go, and so containerd, takes them for the same, and the last one wins.
 */
function mustBeUnambiguous(
  json: Record<string, unknown>,
  own: readonly string[],
  isOther: (mediaType: string) => boolean,
  descriptor: Descriptor | undefined,
): void {
  for (const key of Object.keys(json)) {
    const name = ['mediaType', 'manifests', 'config', 'layers'].find(
      (known) => known.toLowerCase() === key.toLowerCase(),
    );
    if (name === undefined || (name === key && own.includes(key))) continue;
    throw invalid(descriptor, `with the field ${JSON.stringify(key)} it is both an index and a manifest`);
  }
  if (typeof json.mediaType === 'string' && isOther(json.mediaType))
    throw invalid(descriptor, `it says that it is ${json.mediaType}`);
}

/** JSON that must be an object. @throws ImgctlError `document_invalid`, `document_too_large` */
export function parseJson(bytes: Uint8Array, descriptor?: Descriptor): Record<string, unknown> {
  if (bytes.byteLength > maxDocumentBytes) {
    throw new ImgctlError('document_too_large', `${nameOf(descriptor)} has ${bytes.byteLength} bytes`, {
      hint: `Indexes, manifests and configs of up to ${maxDocumentBytes} bytes are read. No image tool writes larger ones: rebuild the archive.`,
      context: contextOf(descriptor),
    });
  }
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof json === 'object' && json !== null && !Array.isArray(json))
      return json as Record<string, unknown>;
  } catch (cause) {
    throw invalid(descriptor, 'it is not JSON', cause);
  }
  throw invalid(descriptor, 'it is not a JSON object');
}

function check<T>(schema: z.ZodType<T>, json: unknown, descriptor: Descriptor | undefined): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(descriptor, `${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not valid'}`);
}

function invalid(descriptor: Descriptor | undefined, why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('document_invalid', `${nameOf(descriptor)} is not a valid image document: ${why}`, {
    hint: 'The archive was damaged or made by a broken tool: save the image again.',
    context: contextOf(descriptor),
    cause,
  });
}

function nameOf(descriptor: Descriptor | undefined): string {
  return descriptor === undefined ? 'a document' : descriptor.digest;
}

function contextOf(descriptor: Descriptor | undefined): { digest?: string } {
  return descriptor === undefined ? {} : { digest: descriptor.digest };
}
