import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readAhead } from '../../src/streams/read-ahead.ts';

const MiB = 1024 * 1024;

describe('reading ahead', () => {
  it('gathers small pieces while they are waited for, and keeps their order', async () => {
    const pieces = Array.from({ length: 100 }, (_, i) => Buffer.alloc(1000, i));
    const source = async function* () {
      yield* pieces;
    };

    const chunks: Uint8Array[] = [];
    for await (const chunk of readAhead(source(), 100_000)) chunks.push(chunk);

    expect(Buffer.concat(chunks).equals(Buffer.concat(pieces))).toBe(true);
    expect(chunks.length).toBeLessThan(20);
  });

  it('reads no further than a MiB beyond what is taken', async () => {
    let read = 0;
    const source = async function* () {
      for (; read < 64; read += 1) yield Buffer.alloc(MiB / 4);
    };

    const chunks = readAhead(source(), 16 * MiB);
    await chunks.next();
    await sleep(50);

    expect(read).toBeLessThanOrEqual(8);
    await chunks.return(undefined);
  });

  it('yields what came before an error, and then throws it', async () => {
    const source = async function* () {
      yield Buffer.from('some');
      throw new Error('it broke off');
    };
    const came: string[] = [];

    const reading = (async () => {
      for await (const chunk of readAhead(source(), 10)) came.push(Buffer.from(chunk).toString());
    })();

    await expect(reading).rejects.toThrow('it broke off');
    expect(came).toEqual(['some']);
  });

  it('leaves a source that is silent without waiting for it', async () => {
    const source = async function* () {
      yield Buffer.from('some');
      await new Promise(() => {});
    };
    const chunks = readAhead(source(), 10);
    await chunks.next();

    expect(await chunks.return(undefined)).toEqual({ done: true, value: undefined });
  });
});
