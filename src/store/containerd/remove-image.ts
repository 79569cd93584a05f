import { isReference, parseReference } from '../../image/reference.ts';
import type { StoredImage } from '../store.ts';
import { images } from './api/images.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { isNotFound } from './grpc/errors.ts';
import { listImages, siblingName } from './image-names.ts';

/**
 * Removes a name, and with it those that only it was the reason for: else the image would live on under them,
 * in the kubelet's eyes too. Answers whether the name was there.
 */
export async function removeImage(
  connection: Connection,
  name: string,
  options: CallOptions = {},
): Promise<boolean> {
  const all = await listImages(connection, options);
  const image = all.find((other) => other.name === name);
  if (image === undefined) return false;
  const followers = followersOf(image, all);
  for (const follower of followers) await deleteName(connection, follower, false, options);
  // Last and in sync: containerd answers when what nobody needs any more is gone
  return deleteName(connection, name, true, options);
}

/** Names to go along with `image`. */
export function followersOf(image: StoredImage, all: readonly StoredImage[]): string[] {
  const digest = image.target.digest;
  const same = all.filter(({ name, target }) => target.digest === digest && name !== image.name);
  const aliases = same.filter(isCriAlias).map(({ name }) => name);
  const others = same.map(({ name }) => name).filter((name) => !aliases.includes(name));

  const sibling = siblingName(image.name, digest);
  const tagged = others.filter((name) => name !== sibling);
  const siblings =
    sibling !== undefined &&
    others.includes(sibling) &&
    !tagged.some((name) => isOfRepository(name, image.name))
      ? [sibling]
      : [];
  // The CRI names every image by its config's digest too, and goes on showing it under that name alone
  return tagged.length === 0 && siblings.length === others.length ? [...siblings, ...aliases] : siblings;
}

function isCriAlias({ name, labels }: StoredImage): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(name) && labels['io.cri-containerd.image'] === 'managed';
}

function isOfRepository(name: string, other: string): boolean {
  if (!isReference(name) || !isReference(other)) return false;
  const [a, b] = [parseReference(name), parseReference(other)];
  return a.registry === b.registry && a.repository === b.repository;
}

async function deleteName(
  connection: Connection,
  name: string,
  sync: boolean,
  options: CallOptions,
): Promise<boolean> {
  try {
    await connection.unary(images.delete, { name, sync }, options);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
