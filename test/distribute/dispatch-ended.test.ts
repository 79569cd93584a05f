import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { ImgctlError } from '../../src/errors.ts';
import { customer, dispatchOf, missingLayers } from './test-dispatch.ts';

interface Brought {
  readonly handle: Partial<ImportHandle>;
  readonly ended?: AbortSignal;
}

/** Two layers of a registry, for a node that pulls and one whose agent is older. */
function twoNodes(size: number) {
  const blobs = missingLayers(2, size);
  const dispatch = dispatchOf(blobs, {
    nodes: ['puller', 'older'],
    registry: () => ({ images: ['registry.example.com/app'] }),
  });
  const bring = (
    name: 'puller' | 'older',
    { handle, ended: signal = new AbortController().signal }: Brought,
  ) => dispatch.bring(customer(name, blobs, handle, { leads: true, pulls: name === 'puller', signal }));
  return { blobs, dispatch, bring };
}

it.each([100, 64 * 1024 * 1024])(
  'a node that pulled for others, and whose import ended before they had it, gives it to them (blobs of %i bytes)',
  async (size) => {
    const { blobs, bring, ...made } = twoNodes(size);
    using dispatch = made.dispatch;
    const routes: { readonly break: (error: ImgctlError) => void }[] = [];
    const bothPulled = Promise.withResolvers<void>();
    const pull: ImportHandle['pull'] = (_blob, _registry, stop) => {
      const { promise, reject } = Promise.withResolvers<never>();
      stop?.addEventListener('abort', () => reject(stop.reason));
      routes.push({ break: reject });
      if (routes.length === blobs.length) bothPulled.resolve();
      return promise;
    };
    const from: string[] = [];
    const fetch: ImportHandle['fetch'] = async (_, urls) => {
      from.push(...urls);
      return { received: size, from: [] };
    };
    const ended = new AbortController();
    const puller = bring('puller', { handle: { pull }, ended: ended.signal });
    const older = bring('older', { handle: { fetch } });
    older.catch(() => {});
    await bothPulled.promise;
    for (const { digest } of blobs) dispatch.progress('puller', digest, size);
    ended.abort(new ImgctlError('interrupted', 'every image is settled'));
    await puller;
    for (const route of routes) route.break(new ImgctlError('interrupted', 'the import has ended'));
    await older;
    expect(from).toEqual(['http://puller:1', 'http://puller:1']);
  },
);

it('a node that cannot pull waits for one that is slow to come, and may', async () => {
  const { bring, ...made } = twoNodes(100);
  using _ = made.dispatch;
  const older = bring('older', { handle: {} });
  older.catch(() => {});
  // Longer than the first plan waits for anybody
  await sleep(1_200);
  const pull: ImportHandle['pull'] = async () => ({
    received: 100,
    from: [],
    relay: [{ node: 'older', ok: true }],
  });
  await bring('puller', { handle: { pull } });
  await older;
});
