import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** An empty directory for each test, alone in its parent; both are gone afterwards. */
export function temporaryDirectory(): () => string {
  let parent = '';
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'imgctl-layout-'));
    await mkdir(join(parent, 'store'));
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));
  return () => join(parent, 'store');
}
