import { afterEach, beforeEach, describe } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { concurrencyContract } from './store/concurrency.ts';
import type { Fixture, OpenedStore } from './store/fixture.ts';
import { imagesContract } from './store/images.ts';
import { ingestingContract } from './store/ingesting.ts';
import { leasesContract } from './store/leases.ts';
import { readingContract } from './store/reading.ts';
import { resumingContract } from './store/resuming.ts';
import { retainingContract } from './store/retaining.ts';
import { unpackingContract } from './store/unpacking.ts';
import { writingContract } from './store/writing.ts';

export type { OpenedStore };

/**
 * What every adapter of the store port keeps. `open` is called for each test; stores may share a daemon, for
 * blobs and names are new in each.
 */
export function storeContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name} keeps the contract of the store port:`, () => {
    let opened: OpenedStore | undefined;
    let current: Store;
    beforeEach(async () => {
      opened = await open();
      current = opened.store;
    });
    afterEach(() => opened?.close());

    const fixture: Fixture = {
      get store() {
        return current;
      },
      async reopen() {
        if (opened?.reopen === undefined) return false;
        current = await opened.reopen();
        return true;
      },
    };
    describe('writing', () => writingContract(fixture));
    describe('resuming', () => resumingContract(fixture));
    describe('concurrency', () => concurrencyContract(fixture));
    describe('ingesting', () => ingestingContract(fixture));
    describe('reading', () => readingContract(fixture));
    describe('leases', () => leasesContract(fixture));
    describe('retaining', () => retainingContract(fixture));
    describe('unpacking', () => unpackingContract(fixture));
    describe('images', () => imagesContract(fixture));
  });
}
