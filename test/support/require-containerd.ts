import { describe, it } from 'vitest';
import { type Generation, generations } from './containerd/daemon.ts';

/** What install.sh brings; fewer on a machine where it did not run, or not to its end. */
const expectedGenerations = 3;

export const containerdGenerations: Generation[] = generations();

/**
 * One suite for each installed generation of containerd. Where there is none (not installed, not root) the suite is
 * skipped, loudly; with IMGCTL_REQUIRE_CONTAINERD=1 it fails instead, as it does when a generation is absent.
 */
export function describeContainerd(title: string, suite: (generation: Generation) => void): void {
  for (const generation of containerdGenerations) {
    describe(`${title} (containerd ${generation.name})`, () => suite(generation));
  }
  if (containerdGenerations.length >= expectedGenerations) return;

  const absence =
    `${containerdGenerations.length} of ${expectedGenerations} generations of containerd are here: ` +
    'run test/support/containerd/install.sh, and the tests, as root';
  if (process.env.IMGCTL_REQUIRE_CONTAINERD === '1') {
    describe(title, () => {
      it('has every generation of containerd', () => {
        throw new Error(absence);
      });
    });
    return;
  }
  process.stderr.write(`SKIPPED LOUDLY: ${title}: ${absence}\n`);
  if (containerdGenerations.length === 0)
    describe.skip(title, () => it('runs against a real containerd', () => {}));
}
