import { toImgctlError } from '../errors.ts';
import { type DeliverOptions, deliver } from './deliver.ts';
import { deliverArchive } from './deliver-archive.ts';
import { mustRunContainerd } from './must-run-containerd.ts';
import type { NodeOutcome } from './outcome.ts';
import { isRefusal } from './refusal.ts';

/** Brings a node its images in the way that it takes them: blob by blob, or as whole archives. Never an error. */
export async function deliverAsTaken(options: DeliverOptions): Promise<NodeOutcome> {
  const { node, early, checks, signal, stallTimeoutMs, onEvent, gate } = options;
  if (node.findArchiveNode === undefined) return deliver(options);
  onEvent({ type: 'phase', node: node.name, phase: 'connecting' });
  const begun = performance.now();
  try {
    mustRunContainerd(node.cluster);
    const archives = await node.findArchiveNode(
      AbortSignal.any([signal, AbortSignal.timeout(stallTimeoutMs)]),
    );
    // It gets the whole archive, and so waits until that is read
    if (archives !== undefined && early !== undefined) checks.pass(node.name);
    const outcome = await (archives === undefined
      ? deliver(options)
      : deliverArchive({
          ...options,
          declaration: (await early?.declaration) ?? options.declaration,
          archives,
        }));
    // What it took to find out how it takes them is its time, too
    return { ...outcome, durationMs: since(begun) };
  } catch (thrown) {
    const error = toImgctlError(thrown).within({ node: node.name });
    gate?.refuse(node.name);
    onEvent({ type: 'phase', node: node.name, phase: 'finished' });
    return {
      node: node.name,
      address: node.address,
      status: !signal.aborted && isRefusal(error) ? 'refused' : 'failed',
      images: [],
      bytesSent: 0,
      bytesFromPeers: 0,
      bytesSkipped: 0,
      durationMs: since(begun),
      warnings: [],
      error,
    };
  }
}

function since(begun: number): number {
  return Math.round(performance.now() - begun);
}
