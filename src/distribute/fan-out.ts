import { availableParallelism } from 'node:os';
import { errorFromWire } from '../agent-api/errors.ts';
import type { Declaration, ImageStatus } from '../agent-api/schemas.ts';
import { type ImgctlError, toImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { withPlatformHint } from '../image/platform-hint.ts';
import { mustHave } from '../transfer/absent-blobs.ts';
import { collectDocuments } from '../transfer/collect-documents.ts';
import { declareLimitMs } from '../transfer/declare-limit.ts';
import { SourceCheck } from '../transfer/source-check.ts';
import { WireEncoding } from '../transfer/wire-encoding.ts';
import { deliverAsTaken } from './deliver-as-taken.ts';
import { Dispatch, type DispatchOptions } from './dispatch.ts';
import { EarlyArchive } from './early-archive.ts';
import type { FanOutNode, FanOutOptions } from './fan-out-options.ts';
import { layersByImage, layersOf } from './layers-of.ts';
import { mustFit } from './must-fit.ts';
import { mustRunContainerd } from './must-run-containerd.ts';
import { mustSpeak } from './must-speak.ts';
import { NodeChecks } from './node-checks.ts';
import type { NodeOutcome, NodePreview } from './outcome.ts';
import { previewArchive } from './preview-archive.ts';
import { StrictGate } from './strict-gate.ts';
import { Turns } from './turns.ts';
import { UnpackedSizes } from './unpacked-sizes.ts';
import { withAgentHint } from './without-agent.ts';

/**
 * distribute/ brings a source's images to any number of nodes at once, with an outcome for each: one node's trouble
 * never holds up another, and never hides its success. May import: errors, streams, image, agent-api, transfer,
 * and what a cluster says of its nodes (discovery/discovery.ts).
 */

/**
 * One outcome a node, in the order of the nodes. A node's error is in its outcome.
 * @throws ImgctlError those of reading the source and its documents: then nothing was sent to anybody, and of a source
 *   that was still being read nothing was kept
 */
export async function distribute(options: FanOutOptions): Promise<readonly NodeOutcome[]> {
  const { nodes, source, growing, signal } = options;
  // A node can be found unfit only when all is read
  if (options.strict) await growing?.whole;
  const early =
    growing === undefined || options.strict
      ? undefined
      : new EarlyArchive(growing, () => fullDeclaration(options));
  const declaration = early === undefined ? await fullDeclaration(options) : options.declaration;
  const gate = options.strict ? new StrictGate(nodes.length) : undefined;
  const check = new SourceCheck(source);
  const sizes = new UnpackedSizes(source);
  const { wireCompression: mode = 'none' } = options;
  const wire = new WireEncoding({ source, mode, threads: availableParallelism() });
  using dispatch = dispatchFor(options, {
    layers: layersToShare(declaration, early),
    declaration,
    check,
    wire,
  });
  using checks = new NodeChecks(
    nodes.map(({ name }) => name),
    // Who interrupted it wants no report on it
    (event) => {
      if (!signal.aborted) options.onEvent(event);
    },
  );
  const outcomes = await Promise.all(
    nodes.map(async (node) => {
      const outcome = await deliverAsTaken({
        ...options,
        node,
        declaration,
        gate,
        check,
        wire,
        checks,
        sizes,
        early,
        dispatch,
      });
      // Then it is no node's trouble
      if (early?.spoilt && !signal.aborted) return outcome;
      if (outcome.error !== undefined) dispatch?.gone(node.name);
      options.onEvent({ type: 'outcome', outcome });
      checks.ended(outcome);
      return outcome;
    }),
  );
  try {
    // Whatever became of the nodes, an archive that is no good is told, and its writer can write all of it
    await early?.declaration;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return outcomes;
}

/** Grows as long as the archive is read. */
function layersToShare(declaration: Declaration, early: EarlyArchive | undefined): readonly Digest[] {
  if (early === undefined) return layersOf(declaration);
  const layers: Digest[] = [];
  void early.each(({ digest }) => void layers.push(digest));
  return layers;
}

/** Who is alone has nobody to share with, but may be one who pulls. */
function dispatchFor(
  options: FanOutOptions,
  {
    declaration,
    ...parts
  }: Pick<DispatchOptions, 'layers' | 'check' | 'wire'> & { declaration: Declaration },
): Dispatch | undefined {
  const { nodes, givers = [], source, relay = 'off', concurrency, registry, imagesAtOnce, signal } = options;
  const isPlanned = registry !== undefined || imagesAtOnce !== undefined;
  if (!isPlanned && (nodes.length + givers.length < 2 || relay === 'off')) return undefined;
  const names = nodes.map(({ name }) => name);
  const turns = imagesAtOnce && new Turns(layersByImage(declaration), imagesAtOnce);
  const dispatch = new Dispatch({
    ...{ source, ...parts, nodes: names, relay, registry },
    turns: turns || undefined,
    concurrency,
    signal,
  });
  for (const { name, url, has } of givers) dispatch.holds({ name, url }, has);
  return dispatch;
}

/** What `distribute` would send where. @throws as `distribute` */
export async function previewDistribution(options: FanOutOptions): Promise<readonly NodePreview[]> {
  const declaration = await fullDeclaration(options);
  const sizes = new UnpackedSizes(options.source);
  return Promise.all(options.nodes.map((node) => preview(node, declaration, sizes, options)));
}

async function fullDeclaration({ source, declaration, signal }: FanOutOptions): Promise<Declaration> {
  const onlyWhole = declaration.platforms?.includes('all') ?? false;
  const documents = await collectDocuments(source, { onlyWhole, signal });
  return { ...declaration, images: source.images.map(({ name, target }) => ({ name, target })), documents };
}

async function preview(
  { name, address, node, cluster, findArchiveNode }: FanOutNode,
  declaration: Declaration,
  sizes: UnpackedSizes,
  { source, stallTimeoutMs, signal }: FanOutOptions,
): Promise<NodePreview> {
  const nothing = {
    node: name,
    address,
    images: [] as readonly ImageStatus[],
    blobs: 0,
    bytes: 0,
    bytesSkipped: 0,
  };
  try {
    const limit = AbortSignal.timeout(declareLimitMs(stallTimeoutMs, declaration));
    const inTime = AbortSignal.any([signal, limit]);
    mustRunContainerd(cluster);
    const archives = await findArchiveNode?.(inTime);
    if (archives !== undefined)
      return {
        ...nothing,
        ...(await previewArchive(archives, { source, declaration, cluster, signal: inTime })),
      };
    const info = await node.describe(inTime);
    mustSpeak(info.api);
    const { images, missing, totalBytes, presentBytes } = await node.previewImport(declaration, inTime);
    const failed = images.find(({ state }) => state === 'failed')?.error;
    const error =
      failed === undefined
        ? ((await unfitness(() => mustHave(source, missing, declaration.documents))) ??
          (await unfitness(() => mustFit(info, missing, declaration, sizes))))
        : withPlatformHint(errorFromWire(failed), source.keptIn);
    return {
      ...nothing,
      images,
      blobs: missing.length,
      bytes: totalBytes - presentBytes,
      bytesSkipped: presentBytes,
      ...(error === undefined ? {} : { error: error.within({ node: name }) }),
    };
  } catch (error) {
    signal.throwIfAborted();
    return { ...nothing, error: withAgentHint(toImgctlError(error).within({ node: name })) };
  }
}

/** What a check throws. */
async function unfitness(check: () => void | Promise<void>): Promise<ImgctlError | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    return toImgctlError(error);
  }
}
