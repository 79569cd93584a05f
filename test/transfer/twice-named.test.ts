import { expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { BlobWriters } from '../../src/transfer/blob-writers.ts';
import { Import } from '../../src/transfer/import.ts';
import { imageOf } from '../support/blobs.ts';

it('an import ends where one name is declared for two images: the last one has it', async () => {
  const [one, other] = [imageOf(['one']), imageOf(['other'])];
  const store = createMemoryStore({ platforms: [{ os: 'linux', architecture: 'amd64' }] });
  const options = { store, owner: 'node-1', writers: new BlobWriters(), signal: AbortSignal.timeout(5_000) };
  const opened = await Import.open(options, {});
  for (const { descriptor, bytes } of [...one.blobs, ...other.blobs]) {
    const blob = { digest: descriptor.digest, size: descriptor.size, offset: 0 };
    await opened.put(blob, async function* () {
      yield bytes;
    });
  }
  await opened.declare({
    images: [one, other].map(({ target }) => ({ name: 'docker.io/library/app:1', target })),
  });
  const events = await Array.fromAsync(opened.events(options.signal));

  expect(events.at(-1)).toMatchObject({
    type: 'done',
    images: [{ digest: other.target.digest, state: 'ready' }],
  });
});
