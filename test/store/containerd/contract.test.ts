import { afterAll, beforeAll } from 'vitest';
import { openContainerdStore } from '../../../src/store/containerd/containerd-store.ts';
import { storeContract } from '../../contract/store.ts';
import { type ContainerdDaemon, startContainerd } from '../../support/containerd/daemon.ts';
import { describeContainerd } from '../../support/require-containerd.ts';

describeContainerd('the containerd store', (generation) => {
  let daemon: ContainerdDaemon;
  beforeAll(async () => {
    daemon = await startContainerd(generation);
  });
  afterAll(() => daemon?.stop());

  storeContract('the containerd store', async () => {
    // A namespace that no CRI serves: what these tests name are not images that a kubelet could use
    const open = () => openContainerdStore({ address: daemon.socket, namespace: 'contract' });
    const opened = [await open()];
    const [store] = opened as [(typeof opened)[0]];
    return {
      store,
      async reopen() {
        const next = await open();
        opened.push(next);
        return next;
      },
      async close() {
        for (const one of opened) await one[Symbol.asyncDispose]();
      },
    };
  });
});
