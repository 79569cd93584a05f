import { describe, expect, it } from 'vitest';
import { peek } from '../../src/streams/peek.ts';
import { inChunks } from '../support/archives.ts';

const bytes = Buffer.from('the first bytes of a stream');

async function all(stream: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(stream)).toString();
}

describe('peeking at a stream', () => {
  it.each([1, 3, 9, 100])('shows its first bytes and gives it whole, in chunks of %i', async (size) => {
    const { start, stream } = await peek(inChunks(bytes, size), 9);
    expect(Buffer.from(start).toString()).toBe('the first');
    expect(await all(stream)).toBe(bytes.toString());
  });

  it('shows less where the stream is shorter', async () => {
    const { start, stream } = await peek(inChunks(bytes.subarray(0, 3)), 9);
    expect(Buffer.from(start).toString()).toBe('the');
    expect(await all(stream)).toBe('the');
  });

  it('shows nothing of an empty stream', async () => {
    const { start, stream } = await peek(inChunks(Buffer.alloc(0)), 9);
    expect(start).toHaveLength(0);
    expect(await all(stream)).toBe('');
  });

  it('stops the source when its reader stops', async () => {
    let stopped = false;
    const source = async function* () {
      try {
        while (true) yield bytes;
      } finally {
        stopped = true;
      }
    };
    const { stream } = await peek(source(), 9);
    for await (const _ of stream) break;
    await expect.poll(() => stopped).toBe(true);
  });
});
