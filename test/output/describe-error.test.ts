import { describe, expect, it } from 'vitest';
import { ImgctlError, toImgctlError } from '../../src/errors.ts';
import { describeError } from '../../src/output/describe-error.ts';
import { createStyle } from '../../src/output/style.ts';
import { digest } from './captured.ts';

const plain = createStyle(false);

describe('an error in text', () => {
  it('says what, where, why and what to do', () => {
    const error = new ImgctlError('store_full', 'there is no space left', {
      hint: 'Free some.',
      context: { node: 'w1', image: 'app:1', digest, phase: 'receiving' },
      cause: new Error('ENOSPC', { cause: new Error('write /x') }),
    });
    expect(describeError(error, plain)).toEqual([
      'Error [store_full]: there is no space left',
      `  node w1, image app:1, digest ${digest}, phase receiving`,
      '  Cause: ENOSPC',
      '  Cause: write /x',
      '  Hint: Free some.',
    ]);
  });

  it('does not repeat itself', () => {
    const error = new ImgctlError('node_stalled', 'w1 sent nothing', {
      context: { node: 'w1' },
      cause: new Error('sent nothing'),
    });
    expect(describeError(error, plain)).toEqual(['Error [node_stalled]: w1 sent nothing']);
  });

  it('does not say of what was interrupted that it was aborted', () => {
    const error = toImgctlError(AbortSignal.abort().reason);
    expect(describeError(error, plain)).toEqual(['Error [interrupted]: interrupted']);
  });

  it('lets no control character of a peer through', () => {
    const evil = '\u001b[2J\u009b31mred\r\nError [x]: \u202efake';
    const error = new ImgctlError('node_protocol', evil, {
      hint: evil,
      context: { node: evil },
      cause: new Error(evil),
    });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(describeError(error, plain).join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  });

  it('is red where there are colors', () => {
    expect(describeError(new ImgctlError('usage', 'x'), createStyle(true))[0]).toContain('\u001b[31mError');
  });
});
