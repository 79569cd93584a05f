import { errorFromWire } from '../agent-api/errors.ts';
import type { Declaration, ImageStatus, MissingBlob } from '../agent-api/schemas.ts';
import { type ImgctlError, toImgctlError } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import { mustHave } from '../transfer/absent-blobs.ts';
import { collectDocuments } from '../transfer/collect-documents.ts';
import { declareLimitMs } from '../transfer/declare-limit.ts';
import { SourceCheck } from '../transfer/source-check.ts';
import { deliver } from './deliver.ts';
import type { FanOutNode, FanOutOptions } from './fan-out-options.ts';
import { mustSpeak } from './must-speak.ts';
import type { NodeOutcome, NodePreview } from './outcome.ts';
import { StrictGate } from './strict-gate.ts';

/**
 * distribute/ brings a source's images to any number of nodes at once, with an outcome for each: one node's trouble
 * never holds up another, and never hides its success. May import: errors, streams, image, agent-api, transfer.
 */

/**
 * One outcome a node, in the order of the nodes. A node's error is in its outcome.
 * @throws ImgctlError those of reading the source's documents: then nothing was sent to anybody
 */
export async function distribute(options: FanOutOptions): Promise<readonly NodeOutcome[]> {
  const { nodes, source, signal } = options;
  const declaration = await fullDeclaration(options);
  const gate = options.strict ? new StrictGate(nodes.length) : undefined;
  const check = new SourceCheck(source);
  return Promise.all(
    nodes.map(async (node) => {
      const outcome = await deliver({ ...options, node, declaration, gate, check, signal });
      options.onEvent({ type: 'outcome', outcome });
      return outcome;
    }),
  );
}

/** What `distribute` would send where. @throws as `distribute` */
export async function previewDistribution(options: FanOutOptions): Promise<readonly NodePreview[]> {
  const declaration = await fullDeclaration(options);
  return Promise.all(options.nodes.map((node) => preview(node, declaration, options)));
}

async function fullDeclaration({ source, declaration, signal }: FanOutOptions): Promise<Declaration> {
  const onlyWhole = declaration.platforms?.includes('all') ?? false;
  const documents = await collectDocuments(source, { onlyWhole, signal });
  return { ...declaration, images: source.images.map(({ name, target }) => ({ name, target })), documents };
}

async function preview(
  { name, address, node }: FanOutNode,
  declaration: Declaration,
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
    mustSpeak((await node.describe(inTime)).api);
    const { images, missing, totalBytes, presentBytes } = await node.previewImport(declaration, inTime);
    const failed = images.find(({ state }) => state === 'failed')?.error;
    const error = failed === undefined ? absence(source, missing, declaration) : errorFromWire(failed);
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
    return { ...nothing, error: toImgctlError(error).within({ node: name }) };
  }
}

/** Why what is missing could not be sent. */
function absence(
  source: ImageSource,
  missing: readonly MissingBlob[],
  declaration: Declaration,
): ImgctlError | undefined {
  try {
    mustHave(source, missing, declaration.documents);
    return undefined;
  } catch (error) {
    return toImgctlError(error);
  }
}
