import { describe, expect, it } from 'vitest';
import { cutText, fitText, textWidth } from '../../src/output/text-width.ts';

describe('the width of text', () => {
  it.each([
    ['node-1', 6],
    ['ノード', 6],
    ['é', 1],
    ['e\u0301', 1],
    ['👩‍💻', 2],
    ['한글', 4],
    ['', 0],
  ])('%s takes %i columns', (text, width) => {
    expect(textWidth(text)).toBe(width);
  });

  it('is kept when it is cut, also in the middle of a wide character', () => {
    expect(cutText('node-10', 5)).toBe('node…');
    expect(cutText('ノード', 5)).toBe('ノー…');
    expect(cutText('ノード', 4)).toBe('ノ…');
    expect(cutText('node', 4)).toBe('node');
    expect(cutText('node', 0)).toBe('');
  });

  it('is what is asked for when it is fitted', () => {
    for (const text of ['a', 'ノード', 'a long name']) expect(textWidth(fitText(text, 5))).toBe(5);
    expect(fitText('7', 3, 'right')).toBe('  7');
  });
});
