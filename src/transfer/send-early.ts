import type { Declaration, MissingBlob } from '../agent-api/schemas.ts';
import type { Digest } from '../image/digest.ts';
import type { GrowingSource, SourceBlob } from '../image/source.ts';

/** Blobs that go in one round: a few large ones, or as many small ones as have so many bytes together. */
const maxLargeBlobs = 4;
const smallRoundBytes = 64 * 1024 * 1024;

/** A source that is still being read, as the import of one node sees it. */
export interface Early extends Pick<GrowingSource, 'arrivals'> {
  /** What is to be declared, once the source is read; rejects when the source is no good. */
  readonly declaration: Promise<Declaration>;
  /** Those of the blobs that the node has, whole. */
  have(digests: readonly Digest[], signal: AbortSignal): Promise<ReadonlySet<Digest>>;
  /** Told of each blob that goes there before it is known whether the node needs it. */
  onEarly(blob: SourceBlob): void;
}

interface EarlySending {
  readonly signal: AbortSignal;
  /** Whether it is the source that is waited for, from now on. */
  waits(isWaiting: boolean): void;
  send(blobs: readonly MissingBlob[]): Promise<void>;
  declare(declaration: Declaration): Promise<void>;
}

/**
 * Sends the blobs of a source as they come, and declares as soon as it is known what; what is on its way then goes on,
 * and no more is begun. `declared` rejects also with what ended the rounds before.
 */
export function declareLater(
  early: Early,
  sending: EarlySending,
): { readonly declared: Promise<void>; readonly rounds: Promise<void> } {
  let isDeclared = false;
  const rounds = sendRounds(early, { ...sending, isDeclared: () => isDeclared });
  rounds.catch(() => undefined);
  const declare = async () => {
    const declaration = await Promise.race([early.declaration, rounds.then(() => early.declaration)]);
    isDeclared = true;
    await sending.declare(declaration);
  };
  return { declared: declare(), rounds };
}

/** Round after round, without the blobs that the node has. */
async function sendRounds(
  early: Early,
  { signal, isDeclared, waits, send }: Omit<EarlySending, 'declare'> & { readonly isDeclared: () => boolean },
): Promise<void> {
  for (let taken = 0; !isDeclared(); ) {
    const arrived = await early.arrivals(taken, signal);
    if (arrived.length === 0 || isDeclared()) return;
    const round = roundOf(arrived);
    taken += round.length;
    waits(false);
    const here = await early.have(
      round.map(({ digest }) => digest),
      signal,
    );
    const lacking = round.filter(({ digest }) => !here.has(digest));
    for (const blob of lacking) early.onEarly(blob);
    await send(lacking.map(({ digest, size }) => ({ digest, size, mediaType: '', offset: 0 })));
    waits(true);
  }
}

function roundOf(arrived: readonly SourceBlob[]): readonly SourceBlob[] {
  let bytes = 0;
  const end = arrived.findIndex(({ size }, i) => {
    bytes += size;
    return i >= maxLargeBlobs && bytes > smallRoundBytes;
  });
  return end < 0 ? arrived : arrived.slice(0, end);
}
