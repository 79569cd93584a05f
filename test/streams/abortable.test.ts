import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { abortable } from '../../src/streams/abortable.ts';

async function* numbers(onStop: () => void = () => {}) {
  try {
    for (let i = 0; i < 5; i++) yield i;
  } finally {
    onStop();
  }
}

describe('an abortable stream', () => {
  it('gives what the stream gives', async () => {
    expect(await Array.fromAsync(abortable(numbers(), new AbortController().signal))).toEqual([
      0, 1, 2, 3, 4,
    ]);
  });

  it('throws the reason while the source is silent', async () => {
    const stop = new AbortController();
    const silent = async function* () {
      yield 1;
      await new Promise(() => {});
    };
    const reading = Array.fromAsync(abortable(silent(), stop.signal));
    setTimeout(() => stop.abort(new Error('enough')), 10);
    await expect(reading).rejects.toThrow('enough');
  });

  it('throws the reason of a signal that was aborted before', async () => {
    const reading = Array.fromAsync(abortable(numbers(), AbortSignal.abort(new Error('enough'))));
    await expect(reading).rejects.toThrow('enough');
  });

  it('throws the reason when it is aborted between two reads', async () => {
    const stop = new AbortController();
    const iterator = abortable(numbers(), stop.signal);
    await iterator.next();
    stop.abort(new Error('enough'));
    await expect(iterator.next()).rejects.toThrow('enough');
  });

  it('passes on what the source fails with', async () => {
    const failing = async function* () {
      yield 1;
      throw new Error('broken');
    };
    await expect(Array.fromAsync(abortable(failing(), new AbortController().signal))).rejects.toThrow(
      'broken',
    );
  });

  it('stops the source when its reader stops', async () => {
    let stopped = false;
    const source = numbers(() => {
      stopped = true;
    });
    for await (const _ of abortable(source, new AbortController().signal)) break;
    await expect.poll(() => stopped).toBe(true);
  });

  it('holds on to nothing that it gave', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    let first: WeakRef<object> | undefined;
    const source = async function* () {
      for (let i = 0; i < 3; i++) {
        const chunk = { i };
        first ??= new WeakRef(chunk);
        yield chunk;
      }
    };
    const iterator = abortable(source(), new AbortController().signal);
    await iterator.next();
    await iterator.next();
    await new Promise((resolve) => setImmediate(resolve));
    gc();
    expect(first?.deref()).toBeUndefined();
    await iterator.return(undefined);
  });
});
