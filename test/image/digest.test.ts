import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  digestAlgorithm,
  digestHex,
  digestOf,
  isDigest,
  parseDigest,
  shortDigest,
} from '../../src/image/digest.ts';

const empty = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('a digest', () => {
  it('of no bytes is the known one', () => {
    expect(digestOf('')).toBe(empty);
    expect(digestOf(new Uint8Array())).toBe(empty);
  });

  it('is of sha256 or sha512, and tells which', () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        fc.constantFrom('sha256' as const, 'sha512' as const),
        (bytes, algorithm) => {
          const digest = digestOf(bytes, algorithm);
          expect(parseDigest(digest)).toBe(digest);
          expect(digestAlgorithm(digest)).toBe(algorithm);
          expect(digestHex(digest)).toBe(createHash(algorithm).update(bytes).digest('hex'));
        },
      ),
    );
  });

  it('is shortened to twelve digits behind its algorithm', () => {
    expect(shortDigest(parseDigest(empty))).toBe('sha256:e3b0c44298fc');
  });

  it.each([
    [''],
    ['sha256:'],
    [empty.slice('sha256:'.length)],
    [empty.toUpperCase()],
    [empty.slice(0, -1)],
    [`${empty}0`],
    [` ${empty}`],
    [`${empty}\n`],
    [empty.replace('sha256', 'sha512')],
    [empty.replace('sha256', 'md5')],
    [empty.replace('sha256', 'sha384')],
    [`sha256:../../${'0'.repeat(58)}`],
  ])('is not %j', (text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'digest_invalid' }));
  });

  it('is never anything that is unsafe in a path', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 140 }), (text) => {
        if (isDigest(text)) expect(text).toMatch(/^sha(256|512):[0-9a-f]+$/);
      }),
    );
    for (const value of [undefined, null, 1, {}, [empty]]) expect(isDigest(value)).toBe(false);
  });
});
