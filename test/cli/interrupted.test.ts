import { expect, it } from 'vitest';
import { interrupted } from '../../src/cli/interrupted.ts';
import type { NodeOutcome } from '../../src/distribute/outcome.ts';
import { ImgctlError } from '../../src/errors.ts';

/** A node that was interrupted after so many bytes; `keptMs` as its error has it. */
function node(name: string, bytesSent: number, keptMs?: number): NodeOutcome {
  const context = keptMs === undefined ? {} : { keptMs };
  return {
    node: name,
    address: name,
    status: 'failed',
    images: [],
    bytesSent,
    bytesFromPeers: 0,
    bytesSkipped: 0,
    durationMs: 1,
    warnings: [],
    error: new ImgctlError('interrupted', 'interrupted', { context }),
  };
}

it.each([
  ['agents of ours keep it', [node('own', 1)], 'what arrived on the nodes is kept for an hour'],
  ['MicroK8s does not', [node('mk', 1, 0)], 'the nodes keep nothing of what they took'],
  ['either', [node('own', 1), node('mk', 1, 0)], 'is kept for an hour, but not on mk'],
  ['MicroK8s was sent nothing yet', [node('own', 1), node('mk', 0, 0)], 'is kept for an hour'],
])('an interrupted import says what is left on the nodes: %s', (_, outcomes, message) => {
  expect(interrupted(outcomes).message).toMatch(new RegExp(`${message}$`));
});
