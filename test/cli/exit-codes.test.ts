import { describe, expect, it } from 'vitest';
import { statusOfAnswers, statusOfError, statusOfRun } from '../../src/cli/exit-codes.ts';
import type { NodeStatus } from '../../src/distribute/outcome.ts';
import { type ErrorCode, ImgctlError } from '../../src/errors.ts';

/** `failed:node_unauthorized`, or a status alone. */
function nodesOf(...texts: string[]) {
  return texts.map((text) => {
    const [status, code] = text.split(':') as [NodeStatus, ErrorCode?];
    return { status, ...(code === undefined ? {} : { error: new ImgctlError(code, code) }) };
  });
}

describe('the exit status of an import', () => {
  it.each<[status: number, nodes: string[], more?: { strict?: boolean; interrupted?: boolean }]>([
    [0, ['imported']],
    [0, ['imported', 'unchanged']],
    [0, ['imported', 'imported'], { interrupted: true }],
    [1, ['failed:node_unreachable']],
    [1, ['failed:node_unreachable', 'refused:platform_missing']],
    [1, ['failed:node_unauthorized', 'failed:node_stalled']],
    [1, []],
    [3, ['imported', 'failed:node_unreachable']],
    [3, ['unchanged', 'refused:platform_missing']],
    [3, ['imported', 'failed:node_unauthorized']],
    [3, ['unchanged', 'refused:held_back'], { strict: true }],
    [4, ['refused:platform_missing', 'refused:store_full']],
    [4, ['refused:held_back', 'failed:node_unreachable'], { strict: true }],
    [1, ['refused:held_back', 'failed:node_unreachable']],
    [5, ['failed:node_unauthorized', 'failed:node_untrusted']],
    [5, ['refused:node_unauthorized', 'refused:node_unauthorized'], { strict: true }],
    [130, ['imported', 'failed:interrupted'], { interrupted: true }],
    [130, ['failed:node_unauthorized'], { interrupted: true }],
  ])('%i for %j %j', (status, nodes, { strict = false, interrupted = false } = {}) => {
    expect(statusOfRun({ nodes: nodesOf(...nodes), strict, interrupted })).toBe(status);
  });
});

describe('the exit status of an error before any outcome', () => {
  it.each<[ErrorCode, number]>([
    ['usage', 2],
    ['no_archive', 2],
    ['platform_invalid', 2],
    ['token_missing', 2],
    ['listen_insecure', 2],
    ['interrupted', 130],
    ['archive_unreadable', 4],
    ['archive_truncated', 4],
    ['archive_unnamed', 4],
    ['digest_mismatch', 4],
    ['spool_full', 4],
    ['store_not_found', 4],
    ['node_unauthorized', 5],
    ['address_in_use', 1],
    ['image_unknown', 1],
    ['internal', 1],
  ])('%s is %i', (code, status) => {
    expect(statusOfError({ code, context: {} })).toBe(status);
  });

  it('is 4 where it is a registry that does not have an image', () => {
    expect(statusOfError({ code: 'image_unknown', context: { registry: 'registry.example.com' } })).toBe(4);
  });
});

describe('the exit status of asking nodes', () => {
  const down = new ImgctlError('node_unreachable', 'down');
  const noAgent = new ImgctlError('node_unreachable', 'nobody', { context: { reason: 'ECONNREFUSED' } });
  const untrusted = new ImgctlError('node_unauthorized', 'no');

  it('is that of an import: all, some or none answered', () => {
    expect(statusOfAnswers([{}, {}], false)).toBe(0);
    expect(statusOfAnswers([{}, { error: down }], false)).toBe(3);
    expect(statusOfAnswers([{ error: down }, { error: noAgent }], false)).toBe(1);
    expect(statusOfAnswers([{ error: noAgent }, { error: noAgent }], false)).toBe(4);
    expect(statusOfAnswers([{ error: untrusted }], false)).toBe(5);
    expect(statusOfAnswers([{ error: down }], true)).toBe(130);
  });

  it('is that of the import which --strict would refuse', () => {
    expect(statusOfAnswers([{}, {}], false, true)).toBe(0);
    expect(statusOfAnswers([{}, { error: down }], false, true)).toBe(4);
    expect(statusOfAnswers([{ error: untrusted }], false, true)).toBe(5);
  });
});
