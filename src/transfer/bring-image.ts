import { ImgctlError, toImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { GraphManifest, ImageGraph } from '../image/graph.ts';
import { parseReference } from '../image/reference.ts';
import type { Lease, Store, Unpacker } from '../store/store.ts';
import type { Limiter } from '../streams/limiter.ts';
import type { ImportContent } from './import-content.ts';
import { type ImportRules, isMet, manifestsToUnpack, needsOf, runsHere } from './needs.ts';

/** What bringing an image needs of the import that it belongs to. */
export interface Bringing {
  readonly store: Store;
  readonly lease: Lease;
  readonly content: ImportContent;
  readonly rules: ImportRules;
  /** Unpacking that is under way, by chain ID: images share layers. */
  readonly unpacking: Map<Digest, Promise<void>>;
  readonly unpackLimiter: Limiter;
  readonly signal: AbortSignal;
  onLayer(graph: ImageGraph, digest: Digest, layers: number, of: number): void;
  /** Every blob is there; what follows moves no bytes. */
  onComplete(): void;
  working<T>(kind: 'unpack' | 'verify', work: () => Promise<T>): Promise<T>;
}

/**
 * Sees one image through: unpacks each layer as soon as it and its parents are there, and gives the image its name
 * only when everything of it is. Answers warnings.
 */
export async function bringImage(
  name: string,
  graph: ImageGraph,
  bringing: Bringing,
): Promise<readonly string[]> {
  const { store, lease, content, rules, signal } = bringing;
  const toUnpack = manifestsToUnpack(graph, rules);
  // What stays unhandled until the blobs are awaited below must not crash the process
  const unpacked = unpackAll(graph, toUnpack, bringing).then(
    () => undefined,
    (error: unknown) => toImgctlError(error),
  );
  const complete = Promise.all(
    needsOf(graph, rules).map((need) =>
      isMet(need, content) ? undefined : content.arrival(need.descriptor.digest, signal),
    ),
  );
  // Whichever fails first ends the wait for the other
  await Promise.race([
    complete,
    unpacked.then((error) => (error === undefined ? complete : Promise.reject(error))),
  ]);
  bringing.onComplete();
  const failure = await unpacked;
  if (failure !== undefined) throw failure.within({ phase: 'unpack', image: name });
  for (const { descriptor, document } of graph.parents) {
    const children =
      document.kind === 'index'
        ? { manifests: document.manifests }
        : { config: document.config, layers: document.layers };
    await lease.retain(descriptor, children, signal);
  }
  for (const { manifest, layers } of toUnpack) {
    const top = layers.at(-1);
    if (top !== undefined) await lease.unpacker?.retainSnapshot(manifest.config, top.chainId, signal);
  }
  if (rules.attribute) {
    const here = graph.blobs.filter(({ digest }) => content.whole.has(digest));
    await lease.attribute?.(here, parseReference(name), signal);
  }
  const image = { name, target: graph.target, pin: rules.pin };
  await lease.nameImage({ ...image, labels: rules.labels }, signal);
  return bringing.working('verify', () => confirm(store, graph, image, bringing));
}

/** Checks, with the store and whoever reads it, that the image is what is reported. */
export async function confirm(
  store: Store,
  graph: ImageGraph,
  image: { readonly name: string; readonly target: Descriptor; readonly pin: boolean },
  { rules, signal }: Pick<Bringing, 'rules' | 'signal'>,
): Promise<readonly string[]> {
  const runnable = manifestsToUnpack(graph, rules).some((manifest) => runsHere(manifest, rules));
  return store.confirmImage({ ...image, runnable }, signal);
}

async function unpackAll(
  graph: ImageGraph,
  manifests: readonly GraphManifest[],
  bringing: Bringing,
): Promise<void> {
  const { unpacker } = bringing.lease;
  if (unpacker === undefined) return;
  const of = manifests.reduce((sum, { layers }) => sum + layers.length, 0);
  let done = 0;
  for (const { layers } of manifests) {
    for (const [i, layer] of layers.entries()) {
      if (!bringing.content.unpacked.has(layer.chainId)) {
        await bringing.content.arrival(layer.descriptor.digest, bringing.signal);
        await unpackOnce(unpacker, layer, layers[i - 1]?.chainId, bringing);
      }
      done += 1;
      bringing.onLayer(graph, layer.descriptor.digest, done, of);
    }
  }
}

async function unpackOnce(
  unpacker: Unpacker,
  layer: GraphManifest['layers'][number],
  parent: Digest | undefined,
  { unpacking, unpackLimiter, content, signal, working }: Bringing,
): Promise<void> {
  const underWay = unpacking.get(layer.chainId);
  if (underWay !== undefined) return underWay;
  const work = unpackLimiter.run(
    () => working('unpack', () => unpacker.unpackLayer({ ...layer, parent }, signal)),
    signal,
  );
  unpacking.set(layer.chainId, work);
  try {
    await work;
    content.unpacked.add(layer.chainId);
  } finally {
    unpacking.delete(layer.chainId);
  }
}

/** The node lacks room for what it misses. */
export function notEnoughDisk(missingBytes: number, freeBytes: number): ImgctlError {
  return new ImgctlError(
    'store_full',
    `the node misses ${missingBytes} bytes and its image store has ${freeBytes} bytes free`,
    {
      hint: 'Free disk space on the node (crictl rmi --prune removes images that no pod uses), then run the command again.',
      context: { phase: 'check', missingBytes, freeBytes },
    },
  );
}
