import { errorFromWire } from '../agent-api/errors.ts';
import type { Declaration, ImageStatus, ImportState, NodeInfo } from '../agent-api/schemas.ts';
import { zstdFeature } from '../agent-api/wire-encoding.ts';
import { ImgctlError, toImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { withPlatformHint } from '../image/platform-hint.ts';
import { formatReference, parseReference } from '../image/reference.ts';
import type { SourceBlob } from '../image/source.ts';
import { feed } from '../transfer/feed.ts';
import type { Early } from '../transfer/send-early.ts';
import type { SourceCheck } from '../transfer/source-check.ts';
import type { WireEncoding } from '../transfer/wire-encoding.ts';
import type { Dispatch } from './dispatch.ts';
import type { EarlyArchive } from './early-archive.ts';
import type { FanOutNode, FanOutOptions } from './fan-out-options.ts';
import { mustFit } from './must-fit.ts';
import { mustRunContainerd } from './must-run-containerd.ts';
import { mustSpeak } from './must-speak.ts';
import type { NodeChecks } from './node-checks.ts';
import type { NodeOutcome, NodeStatus } from './outcome.ts';
import { NodeProgress } from './progress.ts';
import { isRefusal } from './refusal.ts';
import { mayPass, pause, retryDelayMs } from './retry.ts';
import { offerToOthers, sendByPlan } from './send-by-plan.ts';
import type { StrictGate } from './strict-gate.ts';
import type { UnpackedSizes } from './unpacked-sizes.ts';
import { withAgentHint } from './without-agent.ts';

export interface DeliverOptions extends Omit<FanOutOptions, 'nodes' | 'declaration' | 'strict'> {
  readonly node: FanOutNode;
  readonly declaration: Declaration;
  readonly check: SourceCheck;
  readonly sizes: UnpackedSizes;
  readonly checks: NodeChecks;
  readonly gate: StrictGate | undefined;
  readonly wire: WireEncoding;
  /** Shares the work among the nodes; absent where each is sent to by itself. */
  readonly dispatch?: Dispatch | undefined;
  /** Where the archive is still being read; `declaration` names no images then. */
  readonly early?: EarlyArchive | undefined;
}

/** Brings one node its images, trying again what may pass. Always an outcome, never an error. */
export async function deliver(options: DeliverOptions): Promise<NodeOutcome> {
  const { node, retries, early, signal, onEvent } = options;
  const delivery = new Delivery(options);
  for (let attempt = 0; ; attempt += 1) {
    const error = await delivery.attempt();
    if (error === undefined || signal.aborted || attempt >= retries || !mayPass(error) || early?.spoilt)
      return delivery.end(error);
    const delayMs = retryDelayMs(attempt + 1, error);
    onEvent({ type: 'retry', node: node.name, attempt: attempt + 1, of: retries, delayMs, error });
    delivery.progress.phase('retrying');
    try {
      await pause(delayMs, signal);
    } catch {
      return delivery.end(error);
    }
  }
}

class Delivery {
  readonly progress: NodeProgress;
  readonly #options: DeliverOptions;
  readonly #begun = performance.now();
  readonly #warnings = new Set<string>();
  #images: readonly ImageStatus[] = [];
  #passed = false;
  #sent = 0;
  #fetched = 0;
  #pulled = 0;
  /** Documents that the node did not have travel in the declaration. */
  #documents: number | undefined;
  #skipped: number | undefined;
  /** What went there before it was known to be needed, in whatever attempt. */
  readonly #early = new Map<Digest, SourceBlob>();
  #unneeded = 0;

  constructor(options: DeliverOptions) {
    this.#options = options;
    this.progress = new NodeProgress(options.node.name, options.onEvent);
  }

  /** Answers why the node does not have everything, or undefined when it does. */
  async attempt(): Promise<ImgctlError | undefined> {
    const { node, gate } = this.#options;
    try {
      this.#images = await this.#feed();
      mustAnswerFor(this.#declaration.images ?? [], this.#images);
      return this.#failure(({ state }) => state !== 'ready');
    } catch (error) {
      const failure = withAgentHint(toImgctlError(error).within({ node: node.name }));
      if (!mayPass(failure)) gate?.refuse(node.name);
      return failure;
    }
  }

  end(error: ImgctlError | undefined): NodeOutcome {
    const { node, gate, signal } = this.#options;
    if (error !== undefined) gate?.refuse(node.name);
    this.progress.phase('finished');
    const interrupted = error !== undefined && signal.aborted;
    // What broke off did not all go there
    const unneeded = Math.min(this.#unneeded, this.#moved);
    return {
      node: node.name,
      address: node.address,
      status: interrupted ? 'failed' : this.#status(error),
      images: this.#images,
      bytesSent: this.#sent + (this.#documents ?? 0),
      bytesFromPeers: this.#fetched,
      ...(this.#pulled === 0 ? {} : { bytesFromRegistries: this.#pulled }),
      bytesSkipped: this.#skipped ?? 0,
      ...(unneeded === 0 ? {} : { bytesUnneeded: unneeded }),
      durationMs: Math.round(performance.now() - this.#begun),
      warnings: [...this.#warnings],
      ...(error === undefined ? {} : { error: interrupted ? leftFor(node.name, error) : error }),
    };
  }

  async #feed(): Promise<readonly ImageStatus[]> {
    const { node, source, check, wire, concurrency = 4, stallTimeoutMs, signal } = this.#options;
    this.progress.phase('connecting');
    mustRunContainerd(node.cluster);
    const info = await node.node.describe(AbortSignal.any([signal, AbortSignal.timeout(stallTimeoutMs)]));
    mustSpeak(info.api);
    this.progress.phase('checking');
    const early = await this.#whileRead();
    return feed({
      node: node.node,
      source,
      declaration: this.#declaration,
      early,
      check,
      concurrency,
      stallTimeoutMs,
      signal,
      wire: info.features.includes(zstdFeature) ? wire : undefined,
      beforeSending: (state) => this.#opened(state, info),
      send: sendByPlan(this.#options, info, {
        onFetched: (bytes) => {
          this.#fetched += bytes;
        },
        onPulled: (bytes) => {
          this.#pulled += bytes;
        },
      }),
      onBytes: (bytes) => {
        this.#sent += bytes;
      },
      onEvent: (event) => {
        if (event.type === 'warning') this.#warnings.add(event.message);
        this.#options.dispatch?.hear(node.name);
        if (event.type === 'blob') this.#options.dispatch?.progress(node.name, event.digest, event.offset);
        this.progress.event(event);
      },
    });
  }

  get #declaration(): Declaration {
    return this.#options.early?.known ?? this.#options.declaration;
  }

  /** Undefined where all is known; a node that cannot be asked what it has waits until it is. */
  async #whileRead(): Promise<Early | undefined> {
    const { node, early, checks } = this.#options;
    if (early === undefined || early.known !== undefined) return undefined;
    // As far as anybody can tell before all is read
    checks.pass(node.name);
    if (node.peer === undefined) {
      await early.declaration;
      return undefined;
    }
    this.progress.phase('sending');
    return early.seenBy(node.peer, (blob) => {
      this.#early.set(blob.digest, blob);
      this.progress.sends(blob);
    });
  }

  async #opened(state: ImportState, info: NodeInfo): Promise<void> {
    this.#images = state.images;
    const account = await this.#options.early?.account(this.#early.values(), state, info);
    this.#unneeded = account?.unneeded ?? 0;
    // What an earlier attempt sent, or was sent before it was declared, is there now: it was not skipped
    this.#skipped ??= Math.max(0, state.presentBytes - (account?.present ?? 0));
    if (!this.#passed) await this.#check(state, info);
    const missing = state.missing.reduce((sum, { size, offset }) => sum + size - offset, 0);
    // Of blobs that are on their way, more may have arrived between the sums
    const most = account?.documents ?? Number.POSITIVE_INFINITY;
    this.#documents ??= Math.min(most, Math.max(0, state.totalBytes - state.presentBytes - missing));
    this.progress.opened(state, this.#skipped);
    if (state.missing.length === 0) await offerToOthers(this.#options, info);
  }

  /** Once: what an earlier attempt sent has taken its room already. */
  async #check({ missing }: ImportState, info: NodeInfo): Promise<void> {
    const { node, sizes, checks, gate } = this.#options;
    const unfit = this.#failure(({ state }) => state === 'failed');
    // Without --strict, the images that the node can take still go there
    if (unfit !== undefined && (gate !== undefined || this.#images.every(({ state }) => state === 'failed')))
      throw unfit;
    await mustFit(info, missing, this.#declaration, sizes);
    this.#passed = true;
    checks.pass(node.name);
    await gate?.pass(node.name);
  }

  #failure(counts: (image: ImageStatus) => boolean): ImgctlError | undefined {
    const failed = this.#images.filter(counts);
    const [first] = failed;
    if (first === undefined) return undefined;
    const error =
      first.error === undefined
        ? new ImgctlError('import_incomplete', `${first.name} is ${first.state}`, {
            context: { image: first.name },
          })
        : withPlatformHint(errorFromWire(first.error), this.#options.source.keptIn);
    const others = failed.length > 1 ? ` (and ${failed.length - 1} more images failed)` : '';
    return new ImgctlError(error.code, `${error.message}${others}`, {
      hint: error.hint,
      context: { ...error.context, image: first.name, node: this.#options.node.name },
      cause: error,
    });
  }

  #status(error: ImgctlError | undefined): NodeStatus {
    if (error !== undefined)
      return this.#keptNothing && this.#noneReady() && isRefusal(error) ? 'refused' : 'failed';
    // What an earlier attempt sent is there at the next: that is no 'unchanged'
    const untouched = this.#moved <= this.#unneeded && this.#images.every(({ unchanged }) => unchanged);
    return untouched ? 'unchanged' : 'imported';
  }

  /** Nothing went there, or only what is taken back: blobs of an archive of which it was not known yet what is in it. */
  get #keptNothing(): boolean {
    return this.#moved === 0 || !this.#passed;
  }

  get #moved(): number {
    return this.#sent + this.#fetched + this.#pulled;
  }

  #noneReady(): boolean {
    return this.#images.every(({ state }) => state !== 'ready');
  }
}

/** A node that ends the import without a word on an image has not imported it. @throws ImgctlError `node_protocol` */
function mustAnswerFor(declared: NonNullable<Declaration['images']>, answered: readonly ImageStatus[]): void {
  const digests = new Map(answered.map(({ name, digest }) => [name, digest]));
  const lost = declared.find(
    ({ name, target }) =>
      name === undefined || digests.get(formatReference(parseReference(name))) !== target.digest,
  );
  if (lost === undefined) return;
  throw new ImgctlError('node_protocol', `the node does not say what became of ${lost.name}`, {
    hint: 'Use the same version of imgctl on both sides.',
    context: { image: lost.name ?? '', digest: lost.target.digest },
  });
}

function leftFor(node: string, cause: ImgctlError): ImgctlError {
  return new ImgctlError('interrupted', 'interrupted; what arrived there is kept for an hour', {
    hint: 'Run the same command again to go on from there.',
    context: { node },
    cause,
  });
}
