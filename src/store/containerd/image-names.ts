import type { Digest } from '../../image/digest.ts';
import { digestReference, isReference, parseReference } from '../../image/reference.ts';
import type { ImageRecord, StoredImage } from '../store.ts';
import { type ApiImage, images } from './api/images.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { alreadyExists, isNotFound } from './grpc/errors.ts';

/** Names of images in containerd: one target each. */

/** Keeps the kubelet's image garbage collection away. */
const pinLabel = 'io.cri-containerd.pinned';

export async function listImages(connection: Connection, options: CallOptions = {}): Promise<StoredImage[]> {
  const { images: all } = await connection.unary(images.list, {}, options);
  return all.flatMap(storedImage);
}

export async function getImage(
  connection: Connection,
  name: string,
  options: CallOptions = {},
): Promise<StoredImage | undefined> {
  try {
    const { image } = await connection.unary(images.get, { name }, options);
    return image === undefined ? undefined : storedImage(image)[0];
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** `repository@digest` of an image, by which pods find it that name the digest; undefined for what is not a reference. */
export function siblingName(name: string, target: Digest): string | undefined {
  if (!isReference(name)) return undefined;
  const sibling = digestReference(parseReference(name), target);
  return sibling === name ? undefined : sibling;
}

/** The CRI's own mark on a name that it has registered, which it does when it meets a name without the mark. */
const managedLabel = 'io.cri-containerd.image';

/**
 * Gives a target its name, which is moved where it names something else. Labels go in with `Create`: the CRI of
 * containerd 1.7 does not look at those that come later. Where the name exists its other labels stay.
 */
export async function setImage(
  connection: Connection,
  { name, target, pin, labels: more = {} }: ImageRecord,
  options: CallOptions = {},
): Promise<void> {
  const { mediaType, digest, size } = target;
  const wanted = { ...more, ...(pin === undefined ? {} : { [pinLabel]: pin ? 'pinned' : undefined }) };
  const labels = Object.fromEntries(
    Object.entries(wanted).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const image = { name, labels, target: { mediaType, digest, size } };
  // Somebody may create or remove it between two calls, but hardly twice
  for (let i = 0; ; i++) {
    try {
      await connection.unary(images.create, { image }, options);
      return;
    } catch (error) {
      if (!alreadyExists(error)) throw error;
    }
    const before = await getImage(connection, name, options);
    if (before === undefined) continue;
    const paths = changesOf(before, digest, wanted);
    if (paths.length === 0) return;
    try {
      await connection.unary(images.update, { image, updateMask: { paths } }, options);
      return;
    } catch (error) {
      if (!isNotFound(error) || i > 1) throw error;
    }
  }
}

/** The fields to update. A label that is among them, and not given, is removed. */
function changesOf(
  { target, labels }: StoredImage,
  digest: Digest,
  wanted: Readonly<Record<string, string | undefined>>,
): string[] {
  const moves = target.digest !== digest;
  const changed = Object.entries(wanted).filter(([key, value]) => labels[key] !== value);
  return [
    // Without the mark the CRI registers the name anew, for the image that it names now
    ...(moves ? ['target', `labels.${managedLabel}`] : []),
    ...changed.map(([key]) => `labels.${key}`),
  ];
}

function storedImage({ name, target, labels, createdAt }: ApiImage): StoredImage[] {
  if (target === undefined) return [];
  const { mediaType, digest, size, annotations } = target;
  return [
    {
      name,
      target: {
        mediaType,
        digest: digest as Digest,
        size,
        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      },
      labels,
      createdAt:
        createdAt === undefined ? undefined : new Date(createdAt.seconds * 1000 + createdAt.nanos / 1e6),
    },
  ];
}
