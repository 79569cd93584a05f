import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import { blobOf, chunksOf, seededBytes } from '../../support/blobs.ts';

/** Writes half of a blob, says so, and waits for the rest until it is killed. Run as: node silent-writer.ts DIRECTORY */
const [directory = ''] = process.argv.slice(2);

export const silentBlob = blobOf(seededBytes('half of it', 1_000_000));

async function* half(): AsyncGenerator<Uint8Array> {
  yield* chunksOf(silentBlob.bytes.subarray(0, 500_000));
  process.stdout.write('half\n');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}

async function writeHalf(): Promise<void> {
  await using store = await openOciLayoutStore({ directory });
  await using lease = await store.openLease({ owner: 'contract' });
  await lease.write(silentBlob.descriptor, 0, half());
}

if (import.meta.main) await writeHalf();
