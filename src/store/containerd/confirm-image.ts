import { setTimeout as delay } from 'node:timers/promises';
import { ImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import { resolveGraph } from '../../image/graph.ts';
import type { Platform } from '../../image/platform.ts';
import { isReference, parseReference } from '../../image/reference.ts';
import type { ConfirmRequest } from '../store.ts';
import type { CriImage } from './api/cri.ts';
import { blobSizes } from './content-info.ts';
import { readDocumentIfHere } from './content-reader.ts';
import { criImage } from './cri-images.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { getImage, siblingName } from './image-names.ts';
import { existingSnapshots } from './snapshots.ts';

export interface Confirmer {
  readonly connection: Connection;
  readonly snapshotter: string;
  /** What the node runs, its own first. */
  readonly platforms: readonly Platform[];
  readonly cri: boolean;
}

/** How long the CRI may take to hear of an image, in milliseconds. */
const criHearsWithinMs = 10_000;

/** @throws ImgctlError `image_unverified` */
export async function confirmImage(
  confirmer: Confirmer,
  image: ConfirmRequest,
  options: CallOptions = {},
): Promise<string[]> {
  const { connection, cri } = confirmer;
  const named = await getImage(connection, image.name, options);
  if (named?.target.digest !== image.target.digest)
    throw unverified(image, `the name is of ${named?.target.digest ?? 'nothing'}`);
  await confirmComplete(confirmer, image, options);
  if (!cri || !image.runnable || !isReference(image.name)) return [];
  return warningsOf(image, await untilCriHasIt(connection, image, options));
}

/** Every blob of what the node runs is there or, for a layer, unpacked; of what it does not run, one whole platform. */
async function confirmComplete(
  { connection, snapshotter, platforms }: Confirmer,
  image: ConfirmRequest,
  options: CallOptions,
): Promise<void> {
  const choice = image.runnable ? ({ kind: 'hosts', platforms } as const) : ({ kind: 'all' } as const);
  const read = (descriptor: Descriptor) => readDocumentIfHere(connection, descriptor, options);
  const graph = await resolveGraph(image.target, choice, read).catch((cause) => {
    options.signal?.throwIfAborted();
    throw unverified(image, 'its documents do not lead to an image', cause);
  });
  const digests = graph.blobs.map(({ digest }) => digest);
  const here = await blobSizes(connection, digests, options);
  const layers = graph.manifests.flatMap((manifest) => manifest.layers);
  const discarded = layers.filter(({ descriptor }) => !here.has(descriptor.digest));
  const unpacked = await existingSnapshots(
    connection,
    snapshotter,
    discarded.map(({ chainId }) => chainId),
    options,
  );
  const replaced = new Set(
    discarded.filter(({ chainId }) => unpacked.has(chainId)).map(({ descriptor }) => descriptor.digest),
  );
  const isHere = ({ digest }: Descriptor) => here.has(digest) || replaced.has(digest);
  const missing = image.runnable
    ? graph.blobs.find((blob) => !isHere(blob))
    : graph.manifests.some(({ manifest: { config, layers } }) => [config, ...layers].every(isHere))
      ? undefined
      : image.target;
  if (missing !== undefined || graph.manifests.length === 0)
    throw unverified(image, `${(missing ?? image.target).digest} is not complete`);
}

async function untilCriHasIt(
  connection: Connection,
  image: ConfirmRequest,
  options: CallOptions,
): Promise<CriImage> {
  const deadline = performance.now() + criHearsWithinMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(250, pauseMs * 2)) {
    const seen = await criImage(connection, image.name, options);
    if (seen !== undefined && isSame(seen, image)) return seen;
    if (performance.now() > deadline) {
      const what = seen === undefined ? 'does not find it' : `sees another image, ${seen.id}`;
      throw unverified(image, `the kubelet's interface (CRI) ${what}`);
    }
    await delay(pauseMs, undefined, { signal: options.signal });
  }
}

/** A name that was moved is for a moment still seen where it was: by the digest beside it the two are told apart. */
function isSame({ repoTags, repoDigests }: CriImage, { name, target }: ConfirmRequest): boolean {
  const isNamed =
    parseReference(name).tag === undefined ? repoDigests.includes(name) : repoTags.includes(name);
  const sibling = siblingName(name, target.digest);
  return isNamed && (sibling === undefined || repoDigests.includes(sibling));
}

function warningsOf({ name, pin }: ConfirmRequest, { pinned }: CriImage): string[] {
  if (pin !== true || pinned) return [];
  return [
    `${name} is labelled as pinned, but this containerd's CRI does not honour it: the kubelet's image garbage collection may remove the image`,
  ];
}

function unverified({ name }: ConfirmRequest, why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('image_unverified', `${name} is not what was imported: ${why}`, {
    hint: 'Import it again.',
    context: { image: name },
    cause,
  });
}
