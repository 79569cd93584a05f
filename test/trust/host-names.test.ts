import { describe, expect, it } from 'vitest';
import { parseHostNames } from '../../src/trust/host-names.ts';

describe('the names of a host', () => {
  it.each([
    ['worker-1', ['worker-1']],
    ['worker-1.example.com, 10.0.4.17,fd00::1', ['worker-1.example.com', '10.0.4.17', 'fd00::1']],
  ])('are names and addresses apart by commas: %s', (text, names) => {
    expect(parseHostNames(text)).toEqual(names);
  });

  it.each([
    '',
    'a b',
    'a,',
    '../etc',
    'a/b',
    '-a',
    'a_b',
    '1.2.3',
    '10.0.4.300',
    'fe80::1%eth0',
    '*.a',
    'x'.repeat(64),
  ])('are nothing else: %j', (text) => {
    expect(() => parseHostNames(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
