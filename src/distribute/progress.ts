import type { ImportEvent } from '../agent-api/events.ts';
import type { ImportState } from '../agent-api/schemas.ts';
import type { Digest } from '../image/digest.ts';
import type { SourceBlob } from '../image/source.ts';
import type { DistributeEvent, NodePhase } from './outcome.ts';

/** Progress is told at most this often for a node, in milliseconds. */
const intervalMs = 100;

/** What a node's events add up to: bytes, images, the phase it is in. */
export class NodeProgress {
  readonly #node: string;
  readonly #emit: (event: DistributeEvent) => void;
  readonly #begun = new Map<Digest, number>();
  readonly #offsets = new Map<Digest, number>();
  readonly #states = new Map<string, string>();
  #ready = 0;
  #missingBytes = 0;
  #receivedBytes = 0;
  #skippedBytes = 0;
  #last = 0;
  #phase: NodePhase | undefined;

  constructor(node: string, emit: (event: DistributeEvent) => void) {
    this.#node = node;
    this.#emit = emit;
  }

  phase(phase: NodePhase): void {
    if (this.#phase === phase) return;
    this.#phase = phase;
    this.#emit({ type: 'phase', node: this.#node, phase });
  }

  /** The node answered what it lacks. `skippedBytes`: what it had before anything was sent. */
  opened({ missing, images }: ImportState, skippedBytes: number): void {
    this.#begun.clear();
    this.#offsets.clear();
    this.#receivedBytes = 0;
    this.#missingBytes = missing.reduce((sum, { size, offset }) => sum + size - offset, 0);
    this.#skippedBytes = skippedBytes;
    for (const { digest, offset } of missing) this.#begun.set(digest, offset);
    for (const { name, state } of images) this.#states.set(name, state);
    this.#ready = images.filter(({ state }) => state === 'ready').length;
    this.phase(missing.length > 0 ? 'sending' : 'verifying');
    this.#tell(true);
  }

  /** A blob goes there before the node was told of any image. */
  sends({ digest, size }: SourceBlob): void {
    this.#begun.set(digest, 0);
    this.#missingBytes += size;
  }

  event(event: ImportEvent): void {
    const node = this.#node;
    if (event.type === 'blob') this.#blob(event.digest, event.offset);
    if (event.type === 'unpack') this.#emit({ ...event, node });
    if (event.type === 'warning') this.#emit({ type: 'warning', node, message: event.message });
    if (event.type === 'image') {
      const { type, ...image } = event;
      const known = this.#states.get(image.name);
      this.#states.set(image.name, image.state);
      if (known !== 'ready' && image.state === 'ready') this.#ready += 1;
      if (known !== image.state) this.#emit({ type, node, image });
      if (image.state === 'unpacking' && this.#receivedBytes >= this.#missingBytes) this.phase('unpacking');
      this.#tell(true);
    }
  }

  #blob(digest: Digest, offset: number): void {
    const begun = this.#begun.get(digest);
    if (begun === undefined) return;
    const before = this.#offsets.get(digest) ?? begun;
    this.#offsets.set(digest, offset);
    this.#receivedBytes += offset - before;
    this.#tell(false);
  }

  #tell(always: boolean): void {
    const now = performance.now();
    if (!always && now - this.#last < intervalMs && this.#receivedBytes < this.#missingBytes) return;
    this.#last = now;
    this.#emit({
      type: 'progress',
      node: this.#node,
      receivedBytes: Math.max(0, this.#receivedBytes),
      missingBytes: this.#missingBytes,
      skippedBytes: this.#skippedBytes,
      imagesReady: this.#ready,
      images: this.#states.size,
    });
  }
}
