import { expect, it } from 'vitest';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { Dispatch } from '../../src/distribute/dispatch.ts';
import { ImgctlError } from '../../src/errors.ts';
import { digestOf } from '../../src/image/digest.ts';
import { SourceCheck } from '../../src/transfer/source-check.ts';
import { WireEncoding } from '../../src/transfer/wire-encoding.ts';
import { memorySource } from '../support/memory-source.ts';

const mebibyte = 1024 * 1024;
const size = 64 * mebibyte;

/** One node that is to get a blob from another, whose link breaks again and again; `gets` more each time. */
async function broughtOverBadLink({ breaks, gets }: { readonly breaks: number; readonly gets: number }) {
  const digest = digestOf(Buffer.from('layer'));
  const source = { ...memorySource([], []), sizeOf: () => undefined };
  const { signal } = new AbortController();
  using dispatch = new Dispatch({
    source,
    check: new SourceCheck(source),
    wire: new WireEncoding({ source, mode: 'none', threads: 1 }),
    nodes: ['a'],
    layers: [digest],
    relay: 'auto',
    signal,
  });
  let tries = 0;
  const fetch: ImportHandle['fetch'] = async (_blob, from) => {
    tries += 1;
    if (tries > breaks) return { received: size, from: from.map((url) => ({ url, bytes: size })) };
    dispatch.progress('a', digest, tries * gets);
    throw new ImgctlError('node_stalled', 'nothing came for a while');
  };
  dispatch.holds({ name: 'holder', url: 'http://holder:1' }, [digest]);
  const nothing = () => {};
  const brought = dispatch.bring({
    ...{ name: 'a', url: 'http://a:1', handle: { id: 'a', fetch } as unknown as ImportHandle, signal },
    ...{ lacks: [{ digest, mediaType: '', size, offset: 0 }], has: [], relays: true, fetches: true },
    ...{ leads: false, zstd: false, sent: nothing, touch: nothing, fetched: nothing },
  });
  return await brought.then(
    () => ({ tries, error: undefined }),
    (error: unknown) => ({ tries, error }),
  );
}

it('a node that gets something each time is fed until it has all, however often its routes break', async () => {
  expect(await broughtOverBadLink({ breaks: 20, gets: mebibyte })).toEqual({ tries: 21, error: undefined });
});

it('a node that gets nothing is given up after a few tries, with the reason', async () => {
  const { tries, error } = await broughtOverBadLink({ breaks: 1_000, gets: 0 });
  expect(tries).toBeLessThanOrEqual(10);
  expect(error).toMatchObject({ code: 'node_stalled', message: 'nothing came for a while' });
});

it('a node that no other reaches is given up, to be asked anew, and not waited for', async () => {
  const blobs = Array.from({ length: 8 }, (_, i) => digestOf(Buffer.from(`layer ${i}`)));
  const source = { ...memorySource([], []), sizeOf: () => size };
  const { signal } = new AbortController();
  using dispatch = new Dispatch({
    source,
    check: new SourceCheck(source),
    wire: new WireEncoding({ source, mode: 'none', threads: 1 }),
    nodes: ['a'],
    layers: blobs,
    relay: 'auto',
    signal,
  });
  for (let i = 1; i <= 6; i += 1) dispatch.holds({ name: `holder-${i}`, url: `http://holder-${i}:1` }, blobs);
  const why = new ImgctlError('node_unreachable', 'no route to host', { context: { phase: 'fetch' } });
  const fetch = () => Promise.reject(why);
  // The source is slow: all others are tried meanwhile
  const put = () => new Promise<never>(() => {});
  const nothing = () => {};
  const brought = dispatch.bring({
    ...{ name: 'a', url: 'http://a:1', handle: { id: 'a', fetch, put } as unknown as ImportHandle, signal },
    ...{ lacks: blobs.map((digest) => ({ digest, mediaType: '', size, offset: 0 })), has: [], relays: true },
    ...{ fetches: true, leads: false, zstd: false, sent: nothing, touch: nothing, fetched: nothing },
  });
  await expect(brought).rejects.toBe(why);
}, 5_000);
