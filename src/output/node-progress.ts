import type { DistributeEvent, NodeAddress, NodeOutcome, NodePhase } from '../distribute/outcome.ts';
import { RateMeter } from './rate.ts';

/** Where one node stands, as far as its events told. */
export interface NodeProgress extends NodeAddress {
  phase: NodePhase;
  receivedBytes: number;
  missingBytes: number;
  skippedBytes: number;
  imagesReady: number;
  images: number;
  unpacking?: { readonly image: string; readonly layers: number; readonly of: number } | undefined;
  retry?: { readonly attempt: number; readonly of: number } | undefined;
  outcome?: NodeOutcome | undefined;
  readonly rate: RateMeter;
}

/** Folds the events of a distribution into one row per node: what the live rows and the plain lines both show. */
export class ProgressModel {
  readonly nodes: readonly NodeProgress[];
  readonly #byName: ReadonlyMap<string, NodeProgress>;

  constructor(nodes: readonly NodeAddress[]) {
    this.nodes = nodes.map(({ name, address }) => ({
      name,
      address,
      phase: 'connecting',
      receivedBytes: 0,
      missingBytes: 0,
      skippedBytes: 0,
      imagesReady: 0,
      images: 0,
      rate: new RateMeter(),
    }));
    this.#byName = new Map(this.nodes.map((node) => [node.name, node]));
  }

  apply(event: DistributeEvent, now: number): void {
    if (event.type === 'checked') return;
    const node = this.#byName.get(event.type === 'outcome' ? event.outcome.node : event.node);
    if (node === undefined) return;
    if (event.type === 'phase') {
      node.phase = event.phase;
      if (event.phase !== 'unpacking') node.unpacking = undefined;
    } else if (event.type === 'progress') {
      const { receivedBytes, missingBytes, skippedBytes, imagesReady, images } = event;
      Object.assign(node, { receivedBytes, missingBytes, skippedBytes, imagesReady, images });
      node.rate.add(receivedBytes, now);
    } else if (event.type === 'unpack') {
      const { image, layers, of } = event;
      node.unpacking = { image, layers, of };
    } else if (event.type === 'retry') {
      node.phase = 'retrying';
      node.retry = { attempt: event.attempt, of: event.of };
    } else if (event.type === 'outcome') {
      node.phase = 'finished';
      node.outcome = event.outcome;
    }
  }
}

/** Whether all that it lacked is on its way into an image: what is left is not bytes. */
export function isReceiving({ receivedBytes, missingBytes, outcome }: NodeProgress): boolean {
  return outcome === undefined && missingBytes > 0 && receivedBytes < missingBytes;
}

const longestForecastMs = 24 * 60 * 60 * 1000;

/** Milliseconds until the last byte; undefined where nobody can tell. */
export function timeLeft(node: NodeProgress, now: number): number | undefined {
  const rate = node.rate.at(now);
  if (!isReceiving(node) || rate <= 0) return undefined;
  const left = ((node.missingBytes - node.receivedBytes) * 1000) / rate;
  // A rate of next to nothing foretells nothing
  return left > longestForecastMs ? undefined : left;
}

/** What a node is doing, in a few words. */
export function activity(node: NodeProgress): string {
  const { outcome, phase, retry, unpacking, imagesReady, images } = node;
  if (outcome !== undefined) return outcome.status;
  if (phase === 'retrying' && retry !== undefined) return `retry ${retry.attempt}/${retry.of}`;
  // Unpacking goes on beside the bytes of the next layers: those are what takes time
  if (isReceiving(node) && (phase === 'sending' || phase === 'unpacking')) return 'sending';
  if (phase === 'unpacking' && unpacking !== undefined)
    return `unpacking ${unpacking.layers}/${unpacking.of}`;
  if (phase === 'verifying' && images > 1) return `verifying ${imagesReady}/${images}`;
  return phase;
}
