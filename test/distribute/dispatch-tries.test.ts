import { expect, it } from 'vitest';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { ImgctlError } from '../../src/errors.ts';
import { customer, dispatchOf, missingLayers } from './test-dispatch.ts';

const mebibyte = 1024 * 1024;
const size = 64 * mebibyte;

/** One node that is to get a blob from another, whose link breaks again and again; `gets` more each time. */
async function broughtOverBadLink({ breaks, gets }: { readonly breaks: number; readonly gets: number }) {
  const layers = missingLayers(1, size);
  const digests = layers.map(({ digest }) => digest);
  using dispatch = dispatchOf(layers, { nodes: ['a'], inSource: false });
  let tries = 0;
  const fetch: ImportHandle['fetch'] = async ({ digest }, from) => {
    tries += 1;
    if (tries > breaks) return { received: size, from: from.map((url) => ({ url, bytes: size })) };
    dispatch.progress('a', digest, tries * gets);
    throw new ImgctlError('node_stalled', 'nothing came for a while');
  };
  dispatch.holds({ name: 'holder', url: 'http://holder:1' }, digests);
  return await dispatch.bring(customer('a', layers, { fetch })).then(
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
  const layers = missingLayers(8, size);
  const digests = layers.map(({ digest }) => digest);
  using dispatch = dispatchOf(layers, { nodes: ['a'] });
  for (let i = 1; i <= 6; i += 1)
    dispatch.holds({ name: `holder-${i}`, url: `http://holder-${i}:1` }, digests);
  const why = new ImgctlError('node_unreachable', 'no route to host', { context: { phase: 'fetch' } });
  const fetch = () => Promise.reject(why);
  // The source is slow: all others are tried meanwhile
  const put = () => new Promise<never>(() => {});
  await expect(dispatch.bring(customer('a', layers, { fetch, put }))).rejects.toBe(why);
}, 5_000);
