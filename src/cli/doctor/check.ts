import { toImgctlError } from '../../errors.ts';
import type { CheckResult } from '../../output/reporter.ts';

/** A look at one thing; it answers with what it found, or throws why it found nothing. */
export interface Check {
  readonly what: string;
  readonly run: (signal: AbortSignal) => Promise<Findings>;
}

export type Finding = Omit<CheckResult, 'what'> & { readonly what?: string };
export type Findings = Finding | readonly Finding[];

/** Milliseconds: what is asked may be what is broken. */
const checkMs = 10_000;

/** All at once, in the order in which they are told. One that hangs or throws has failed, and hides no other. */
export async function runChecks(checks: readonly Check[], signal: AbortSignal): Promise<CheckResult[]> {
  const found = await Promise.all(
    checks.map(async ({ what, run }): Promise<readonly CheckResult[]> => {
      try {
        const findings = await bounded(run, signal);
        return [findings].flat().map((finding) => ({ what, ...finding }));
      } catch (thrown) {
        signal.throwIfAborted();
        const { message, hint } = toImgctlError(thrown);
        return [{ status: 'fail', what, detail: message, hint }];
      }
    }),
  );
  return found.flat();
}

/** Some calls hear no signal: they are left behind. */
async function bounded<T>(run: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new AbortController();
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${checkMs / 1000} s`)),
      // What hears the signal says more
      checkMs + 500,
    );
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: end.signal });
  });
  try {
    return await Promise.race([run(AbortSignal.any([signal, AbortSignal.timeout(checkMs)])), over]);
  } finally {
    clearTimeout(timer);
    end.abort();
  }
}
