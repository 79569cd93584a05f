import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import { storeContract } from '../../contract/store.ts';

storeContract('the OCI layout store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'imgctl-layout-'));
  let store = await openOciLayoutStore({ directory });
  return {
    store,
    async reopen() {
      await store[Symbol.asyncDispose]();
      store = await openOciLayoutStore({ directory });
      return store;
    },
    async close() {
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
});
