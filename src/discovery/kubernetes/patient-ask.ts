import { setTimeout as sleep } from 'node:timers/promises';
import type { Refusal } from './listing-error.ts';

/** How long the API server is asked for one thing, in milliseconds. */
export interface ListingPatience {
  /** For an answer to begin, and between its bytes. */
  readonly attemptMs: number;
  /** For a page, with all that is tried again. */
  readonly pageMs: number;
  /** Before the first retry; it doubles. */
  readonly firstDelayMs: number;
}

const defaultPatience: ListingPatience = { attemptMs: 15_000, pageMs: 30_000, firstDelayMs: 500 };

/** It is tried so often. */
const maxAttempts = 5;

interface Refused {
  readonly kind: 'refused';
  readonly refusal: Refusal;
}

/** Asks until there is an answer that does not pass by itself, or the time is up. @throws the signal's reason */
export async function patientAsk<T extends { readonly kind: string }>(
  ask: (way: { readonly attemptMs: number; readonly signal: AbortSignal }) => Promise<T | Refused>,
  {
    patience: { attemptMs, pageMs, firstDelayMs } = defaultPatience,
    signal,
  }: { readonly patience?: ListingPatience | undefined; readonly signal?: AbortSignal | undefined },
): Promise<T | Refused> {
  signal?.throwIfAborted();
  const timeUp = AbortSignal.timeout(pageMs);
  const ends = Date.now() + pageMs;
  const limit = signal === undefined ? timeUp : AbortSignal.any([signal, timeUp]);
  let last: Refused = {
    kind: 'refused',
    refusal: {
      why: `it does not answer within ${Math.ceil(pageMs / 1000)} s`,
      hint: 'It may pass: try again.',
      mayPass: true,
    },
  };
  try {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await ask({ attemptMs, signal: limit });
      if (!isRefused(answer)) return answer;
      last = answer;
      const { retryAfter, mayPass } = last.refusal;
      const delay = (retryAfter ?? 0) * 1000 || jittered(firstDelayMs * 2 ** (attempt - 1));
      if (!mayPass || attempt === maxAttempts || Date.now() + delay > ends) break;
      await sleep(delay, undefined, { signal: limit });
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!timeUp.aborted) throw error;
  }
  return last;
}

function isRefused(answer: { readonly kind: string }): answer is Refused {
  return answer.kind === 'refused';
}

function jittered(delayMs: number): number {
  return delayMs / 2 + (delayMs / 2) * Math.random();
}
