import { describe, expect, it } from 'vitest';
import { chunkBytes, giveBackChunk, lendChunk } from '../../src/streams/chunk-pool.ts';
import { Gathering } from '../../src/streams/gathering.ts';
import { seededBytes } from '../support/blobs.ts';

describe('small pieces', () => {
  it.each([1, 3, 40])('come out as they went in, with %i of them between takes', (between) => {
    const bytes = seededBytes('gathering', 5 * chunkBytes + 12_345);
    const gathering = new Gathering();
    const taken: Uint8Array[] = [];
    const takeAll = () => {
      for (let chunk = gathering.take(); chunk !== undefined; chunk = gathering.take()) taken.push(chunk);
    };

    for (let at = 0, i = 1; at < bytes.byteLength; at += 16_000, i += 1) {
      gathering.add(bytes.subarray(at, at + 16_000));
      if (i % between === 0) takeAll();
    }
    takeAll();

    expect(gathering.length).toBe(0);
    expect(Buffer.concat(taken).equals(bytes)).toBe(true);
  });

  it('fill chunks where nobody takes them', () => {
    const gathering = new Gathering();
    for (let i = 0; i < 100; i += 1) gathering.add(Buffer.alloc(16 * 1024));

    expect(gathering.length).toBe(100 * 16 * 1024);
    expect(gathering.take()?.byteLength).toBe(chunkBytes);
    expect(gathering.take()?.byteLength).toBe(100 * 16 * 1024 - chunkBytes);
    expect(gathering.take()).toBeUndefined();
  });

  it('take no more memory than is expected of them', () => {
    const gathering = new Gathering(100);
    gathering.add(Buffer.alloc(60));
    gathering.add(Buffer.alloc(40));

    expect(gathering.take()?.buffer.byteLength).toBe(100);
  });

  it('lie in memory that is used again only when all that was taken of it is given back', () => {
    const gathering = new Gathering();
    gathering.add(Buffer.alloc(10, 'a'));
    const first = gathering.take();
    gathering.add(Buffer.alloc(10, 'b'));
    const second = gathering.take();
    gathering.close();
    if (first === undefined || second === undefined) throw new Error('nothing was taken');
    giveBackChunk(first);

    const other = lendChunk();
    other.fill('x');
    expect(Buffer.from(second).toString()).toBe('b'.repeat(10));
    giveBackChunk(second);
    expect(lendChunk().buffer).toBe(second.buffer);
    giveBackChunk(other);
  });
});
