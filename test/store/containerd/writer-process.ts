import { readFileSync } from 'node:fs';
import { digestOf } from '../../../src/image/digest.ts';
import { openContainerdStore } from '../../../src/store/containerd/containerd-store.ts';

/**
 * A process of its own that writes a file's first bytes as a blob and then goes silent, or whole where it is told to:
 * `node writer-process.ts SOCKET NAMESPACE OWNER FILE BYTES`. Prints a line once the bytes are in containerd.
 */
const [address = '', namespace = '', owner = '', file = '', count = ''] = process.argv.slice(2);
const bytes = readFileSync(file);
const descriptor = { mediaType: '', digest: digestOf(bytes), size: bytes.byteLength };
const store = await openContainerdStore({ address, namespace });
const lease = await store.openLease({ owner });
await lease.claim({ blobs: [descriptor] });

async function* chunks(): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, Number(count));
  if (Number(count) < bytes.byteLength) await new Promise(() => {});
}
// Only a timer of this kind keeps a process alive that waits for silence
setInterval(() => {}, 1000);
await lease.write(descriptor, 0, chunks(), {
  onProgress: (offset) => {
    process.stdout.write(`${offset}\n`);
  },
});
await lease.leave();
process.exit();
