import type { StoredImage } from '../store.ts';
import { images } from './api/images.ts';
import { type CallOptions, type Connection, collectsWithinMs } from './grpc/connection.ts';
import { isNotFound } from './grpc/errors.ts';
import { listImages } from './image-names.ts';

/**
 * Removes a name, and with the last name of an image the CRI's own for it: the CRI names every image by its config's
 * digest too, and would go on showing it under that one alone. Answers whether the name was there.
 */
export async function removeImage(
  connection: Connection,
  name: string,
  options: CallOptions = {},
): Promise<boolean> {
  const all = await listImages(connection, options);
  const image = all.find((other) => other.name === name);
  if (image === undefined) return false;
  for (const alias of aliasesLeftBy(image, all)) await deleteName(connection, alias, false, options);
  // Last and in sync: containerd answers when what nobody needs any more is gone
  return deleteName(connection, name, true, options);
}

/** The CRI's names of an image, where it has no other but `image`'s. */
export function aliasesLeftBy(image: StoredImage, all: readonly StoredImage[]): string[] {
  const others = all.filter(
    ({ name, target }) => target.digest === image.target.digest && name !== image.name,
  );
  return others.every(isCriAlias) ? others.map(({ name }) => name) : [];
}

function isCriAlias({ name, labels }: StoredImage): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(name) && labels['io.cri-containerd.image'] === 'managed';
}

async function deleteName(
  connection: Connection,
  name: string,
  sync: boolean,
  options: CallOptions,
): Promise<boolean> {
  try {
    await connection.unary(images.delete, { name, sync }, { ...options, timeoutMs: collectsWithinMs });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
