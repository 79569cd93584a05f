import type { ImageStatus } from '../agent-api/schemas.ts';
import { ImgctlError, toImgctlError } from '../errors.ts';
import { notePassed } from '../streams/reclaim.ts';
import { StallClock } from '../transfer/stall-clock.ts';
import type { ArchiveNode, GraphWithNames } from './archive-node.ts';
import { ArchiveProgress } from './archive-progress.ts';
import type { DeliverOptions } from './deliver.ts';
import { mustRunContainerd } from './must-run-containerd.ts';
import type { NodeOutcome } from './outcome.ts';
import { isRefusal } from './refusal.ts';
import { mayPass, pause, retryDelayMs } from './retry.ts';
import { platformsIn, wholeImages } from './whole-images.ts';

export interface DeliverArchiveOptions extends Omit<DeliverOptions, 'check' | 'sizes' | 'concurrency'> {
  readonly archives: ArchiveNode;
}

/** Beyond its own deadline, in milliseconds: it has to end what it runs, and to answer. */
const answerMarginMs = 30_000;

/**
 * Brings the images to a node that takes whole archives. What can be known is checked before anything is sent: who it
 * is, and that the archive has all that the node needs. Always an outcome, never an error.
 */
export async function deliverArchive(options: DeliverArchiveOptions): Promise<NodeOutcome> {
  const { node, retries, signal, onEvent } = options;
  const delivery = new ArchiveDelivery(options);
  for (let attempt = 0; ; attempt += 1) {
    const error = await delivery.attempt();
    // Once all was sent, what it does with it is unknown: to send it all again is not for us to decide
    const again = error !== undefined && mayPass(error) && error.context.phase !== 'import';
    if (!again || signal.aborted || attempt >= retries) return delivery.end(error);
    const delayMs = retryDelayMs(attempt + 1, error);
    onEvent({ type: 'retry', node: node.name, attempt: attempt + 1, of: retries, delayMs, error });
    onEvent({ type: 'phase', node: node.name, phase: 'retrying' });
    try {
      await pause(delayMs, signal);
    } catch {
      return delivery.end(error);
    }
  }
}

class ArchiveDelivery {
  readonly #options: DeliverArchiveOptions;
  readonly #begun = performance.now();
  readonly #warnings = new Set<string>();
  #images: readonly GraphWithNames[] | undefined;
  #sent = 0;

  constructor(options: DeliverArchiveOptions) {
    this.#options = options;
  }

  async attempt(): Promise<ImgctlError | undefined> {
    const { node, gate } = this.#options;
    try {
      await this.#check();
      await this.#send(this.#images ?? []);
      return undefined;
    } catch (error) {
      const failure = this.#explained(toImgctlError(error).within({ node: node.name }));
      if (!mayPass(failure)) gate?.refuse(node.name);
      return failure;
    }
  }

  end(error: ImgctlError | undefined): NodeOutcome {
    const { node, gate, signal, declaration } = this.#options;
    if (error !== undefined) gate?.refuse(node.name);
    else {
      for (const text of [...this.#unknown(), ...shortcomings(declaration)]) this.#warn(text);
      // Of every such node alike: it need not be told of each as it ends
      this.#warnings.add('it says that it imported the images; its image store cannot be asked');
    }
    this.#phase('finished');
    const refused = error !== undefined && !signal.aborted && this.#sent === 0 && isRefusal(error);
    return {
      node: node.name,
      address: node.address,
      status: error === undefined ? 'imported' : refused ? 'refused' : 'failed',
      images: this.#statuses(error === undefined ? 'ready' : 'failed'),
      bytesSent: this.#sent,
      bytesFromPeers: 0,
      bytesSkipped: 0,
      durationMs: Math.round(performance.now() - this.#begun),
      warnings: [...this.#warnings],
      ...(error === undefined ? {} : { error: signal.aborted ? interrupted(node.name, error) : error }),
    };
  }

  async #check(): Promise<void> {
    const { node, archives, source, declaration, signal, gate, checks } = this.#options;
    this.#phase('connecting');
    mustRunContainerd(node.cluster);
    await archives.check(signal);
    this.#phase('checking');
    this.#images ??= await wholeImages(source, {
      platforms: declaration.platforms,
      nodePlatform: node.cluster?.platform,
      signal,
    });
    checks.pass(node.name);
    await gate?.pass(node.name);
  }

  async #send(images: readonly GraphWithNames[]): Promise<void> {
    const { node, archives, source, stallTimeoutMs, signal, onEvent } = this.#options;
    const stopped = new AbortController();
    const running = AbortSignal.any([signal, stopped.signal]);
    const progress = new ArchiveProgress(node.name, this.#statuses('receiving').length, onEvent);
    const answerMs = archives.deadlineMs + answerMarginMs;
    using clocks = new DisposableStack();
    const onStall = () => stopped.abort(stalled(stallTimeoutMs));
    const heldBackAt = () => archives.waitedAt?.() ?? Number.NEGATIVE_INFINITY;
    const sending = clocks.use(new StallClock(stallTimeoutMs, onStall, heldBackAt));
    this.#phase('sending');
    try {
      await archives.import(images, {
        source,
        signal: running,
        onLength: (bytes) => progress.begin(bytes),
        onBytes: (bytes) => {
          this.#sent += bytes;
          notePassed(bytes);
          sending.touch();
          const neededMs = progress.add(bytes);
          if (neededMs > archives.deadlineMs * 0.75) this.#warn(tooSlow(neededMs, archives.deadlineMs));
        },
        onSent: () => {
          // The answer may have been quicker
          if (clocks.disposed) return;
          sending[Symbol.dispose]();
          clocks.use(new StallClock(answerMs, () => stopped.abort(silent(answerMs))));
          progress.end();
          this.#phase('unpacking');
        },
      });
    } catch (error) {
      throw running.aborted ? running.reason : error;
    }
  }

  /** Its own error says little: what was made sure of beforehand narrows it down. */
  #explained(error: ImgctlError): ImgctlError {
    if (error.code !== 'store_failed' || this.#images === undefined) return error;
    const platforms = platformsIn(this.#images).join(', ');
    const known = `What was sent is whole${platforms === '' ? '' : `, for ${platforms}`}.`;
    return new ImgctlError(error.code, error.message, {
      hint: `${known} ${error.hint ?? ''}`.trim(),
      context: error.context,
      cause: error.cause,
    });
  }

  /** It takes images of another platform, too, and says that all is well. */
  #unknown(): string[] {
    const { node, declaration } = this.#options;
    const platforms = platformsIn(this.#images ?? []);
    if (node.cluster?.platform !== undefined || declaration.platforms !== undefined || platforms.length === 0)
      return [];
    return [`its platform is not known: the images are for ${platforms.join(', ')} and run on nothing else`];
  }

  #statuses(state: ImageStatus['state']): ImageStatus[] {
    return (this.#images ?? []).flatMap(({ names, graph }) =>
      names.map((name) => ({ name, digest: graph.target.digest, state })),
    );
  }

  #phase(phase: 'connecting' | 'checking' | 'sending' | 'unpacking' | 'finished'): void {
    this.#options.onEvent({ type: 'phase', node: this.#options.node.name, phase });
  }

  #warn(message: string): void {
    if ([...this.#warnings].some((said) => said.slice(0, 20) === message.slice(0, 20))) return;
    this.#warnings.add(message);
    this.#options.onEvent({ type: 'warning', node: this.#options.node.name, message });
  }
}

/** What was asked for and cannot be had from such a node. */
function shortcomings({ pin, unpack }: DeliverOptions['declaration']): string[] {
  return [
    ...(pin ? ['--pin has no effect there: the kubelet may remove the images when the disk is full'] : []),
    ...(unpack === false ? ['--no-unpack has no effect there: it unpacks what it imports'] : []),
  ];
}

const seconds = (ms: number) => Math.round(ms / 1000);

function tooSlow(neededMs: number, deadlineMs: number): string {
  return `sending takes about ${seconds(neededMs)} s at this rate, and its deadline for upload and import together is ${seconds(deadlineMs)} s: it may give up`;
}

function stalled(limitMs: number): ImgctlError {
  return new ImgctlError('node_stalled', `the node took no byte for ${limitMs / 1000} s`, {
    hint: 'Look at the node: its network, its disk and containerd. --stall-timeout allows for more.',
    context: { phase: 'send' },
  });
}

function silent(limitMs: number): ImgctlError {
  return new ImgctlError(
    'node_stalled',
    `the node has the archive, and did not answer for ${seconds(limitMs)} s`,
    {
      hint: 'See on the node whether it has the images: microk8s ctr images ls.',
      context: { phase: 'import' },
    },
  );
}

function interrupted(node: string, cause: ImgctlError): ImgctlError {
  return new ImgctlError('interrupted', 'interrupted; what it took before is not kept there', {
    hint: 'Run the same command again: everything is sent anew.',
    context: { node, keptMs: 0 },
    cause,
  });
}
