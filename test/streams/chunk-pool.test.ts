import { describe, expect, it } from 'vitest';
import { chunkBytes, giveBackChunk, lendChunk, shareChunk, shortened } from '../../src/streams/chunk-pool.ts';

describe('the memory of a lent chunk', () => {
  it('is lent again once it was given back', () => {
    const chunk = lendChunk();
    giveBackChunk(chunk);

    expect(isLentAgain(chunk)).toBe(true);
  });

  it('is not as long as a share of it is out', () => {
    const chunk = lendChunk();
    const [one, other] = [shareChunk(chunk), shareChunk(chunk, 10, 20)];
    giveBackChunk(chunk);
    giveBackChunk(other);

    expect(isLentAgain(chunk)).toBe(false);
    giveBackChunk(one);
    expect(isLentAgain(chunk)).toBe(true);
  });

  it('is not because of a share that is given back twice', () => {
    const chunk = lendChunk();
    shareChunk(chunk);
    giveBackChunk(chunk);
    giveBackChunk(chunk);

    expect(isLentAgain(chunk)).toBe(false);
  });

  it('is not because of a view that is no share', () => {
    const chunk = lendChunk();
    giveBackChunk(chunk.subarray(0, 10));
    giveBackChunk(Buffer.from(chunk.buffer));

    expect(isLentAgain(chunk)).toBe(false);
  });

  it('is once what was shortened is given back', () => {
    const chunk = lendChunk();
    const part = shortened(chunk, 7);
    giveBackChunk(chunk);

    expect(part.byteLength).toBe(7);
    expect(isLentAgain(chunk)).toBe(false);
    giveBackChunk(part);
    expect(isLentAgain(chunk)).toBe(true);
  });
});

it('a share of a chunk that was not lent is a view of the same bytes', () => {
  const chunk = Buffer.from('0123456789').subarray(2);
  expect(shareChunk(chunk, 1, 3).toString()).toBe('34');
  expect(shareChunk(chunk).toString()).toBe('23456789');
});

/** Whether the next that is lent has the same memory: what lies idle last is lent first. */
function isLentAgain({ buffer }: Uint8Array): boolean {
  const next = lendChunk();
  giveBackChunk(next);
  return next.buffer === buffer && next.byteLength === chunkBytes;
}
