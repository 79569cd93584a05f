import * as z from 'zod';
import { ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, digestOf } from '../image/digest.ts';
import { parseConfig } from '../image/documents.ts';
import { mediaTypes } from '../image/media-types.ts';
import { type ArchiveBlobs, digestOfPath } from './archive-blobs.ts';
import { unreadable } from './archive-errors.ts';
import type { ArchiveFiles } from './archive-files.ts';
import type { Compression } from './compression.ts';
import { normalizeName } from './image-names.ts';

/** An image as manifest.json of `docker save` lists it, its config read. */
export interface SavedImage {
  readonly names: readonly string[];
  readonly config: Uint8Array;
  readonly configDigest: Digest;
  /** Paths in the archive, bottom layer first. */
  readonly layers: readonly string[];
}

const manifestJson = z.array(
  z.object({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()).nullish(),
  }),
);

const layerTypes: Partial<Record<Compression, string>> = {
  none: mediaTypes.dockerLayer,
  gzip: mediaTypes.dockerLayerGzip,
  zstd: mediaTypes.dockerLayerZstd,
};

/** @throws ImgctlError `document_invalid`, `archive_incomplete`, `archive_unreadable` for what Docker before 1.10 wrote */
export async function readDockerSave(files: ArchiveFiles): Promise<SavedImage[]> {
  const file = files.find('manifest.json');
  if (file === undefined) return [];
  const images: SavedImage[] = [];
  for (const { Config, RepoTags, Layers } of parse(files.label, await files.read(file))) {
    const configFile = files.find(Config);
    if (configFile === undefined) throw absent(files.label, `the config ${Config}`, RepoTags?.[0]);
    const config = await files.read(configFile);
    const names = (RepoTags ?? []).flatMap((tag) => normalizeName(tag) ?? []);
    images.push({ names, config, configDigest: digestOf(config), layers: Layers ?? [] });
  }
  return images;
}

/**
 * Makes the manifest that such an image lacks. Its bytes are those that containerd's own import makes, so that
 * the image is the same one, with the same digest, whichever of the two brought it.
 */
export async function manifestOf(
  image: SavedImage,
  files: ArchiveFiles,
  blobs: ArchiveBlobs,
): Promise<Descriptor> {
  const { diffIds } = parseConfig(image.config);
  const [name] = image.names;
  if (diffIds.length !== image.layers.length) {
    throw invalid(
      files.label,
      `${name ?? 'an image'} has ${image.layers.length} layers, its config names ${diffIds.length}`,
    );
  }
  const layers: Descriptor[] = [];
  for (const [i, path] of image.layers.entries()) {
    const file = files.find(path);
    if (file === undefined) throw absent(files.label, `the layer ${path}`, name);
    const compression = await files.compressionOf(file);
    const mediaType = layerTypes[compression];
    if (mediaType === undefined) {
      throw unreadable(
        files.label,
        `the layer ${path} is compressed with ${compression}, which no image layer may be`,
        {
          hint: 'Load it into Docker and save it again: docker load, docker save IMAGE:TAG.',
        },
      );
    }
    // An uncompressed layer's digest is its diff ID: no need to read gigabytes to know it
    const assumed = digestOfPath(file.name) ?? (compression === 'none' ? diffIds[i] : undefined);
    const digest = await files.digestOf(file, assumed);
    blobs.addFile(digest, file);
    layers.push({ mediaType, digest, size: file.size });
  }
  const config = blobs.addDocument(mediaTypes.dockerConfig, image.config);
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.dockerManifest, config, layers };
  return blobs.addDocument(mediaTypes.dockerManifest, Buffer.from(JSON.stringify(manifest)));
}

/** @throws ImgctlError `archive_unreadable` for what Docker before 1.10 wrote: layers with a JSON each, no manifest.json */
export function refuseAncient(files: ArchiveFiles): void {
  if (files.find('repositories') === undefined) return;
  throw unreadable(
    files.label,
    'it was saved by Docker 1.9 or older (it has repositories, but no manifest.json)',
    {
      hint: 'Load it and save it again with Docker 1.10 or newer: docker load -i ARCHIVE, docker save IMAGE:TAG.',
    },
  );
}

function parse(label: string, bytes: Uint8Array): z.infer<typeof manifestJson> {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw invalid(label, 'its manifest.json is not JSON', cause);
  }
  const result = manifestJson.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalid(
    label,
    `its manifest.json is not what docker save writes: ${issue?.path.join('.')}: ${issue?.message}`,
  );
}

function absent(label: string, what: string, image: string | undefined): ImgctlError {
  return new ImgctlError(
    'archive_incomplete',
    `${label} lacks ${what}${image === undefined ? '' : ` of ${image}`}`,
    {
      hint: 'Save the image again: docker save IMAGE:TAG.',
      context: { path: label, ...(image === undefined ? {} : { image }) },
    },
  );
}

function invalid(label: string, why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('document_invalid', `${label}: ${why}`, {
    hint: 'The archive was damaged or made by a broken tool: save the image again.',
    context: { path: label },
    cause,
  });
}
