import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { K3sCache } from '../../../src/agent/images-dir/k3s-cache.ts';
import { FollowingFile } from '../../../src/agent/images-dir/replace-text.ts';

it.each(Array.from({ length: 16 }, (_, i) => i))(
  'what changes as the writing of what was before ends is written, %i turns later',
  async (turns) => {
    let [now, written] = [1, 0];
    const file = new FollowingFile(
      async () => {
        written = now;
        return 0;
      },
      () => {},
    );
    file.changed();
    await sleep(1);
    const closed = file[Symbol.asyncDispose]();
    for (let i = 0; i < turns; i += 1) await undefined;
    now = 2;
    file.changed();
    await closed;
    await sleep(1);

    expect(written).toBe(2);
  },
);

it('what could not be written is written at the end', async () => {
  let [full, written, told] = [true, false, 0];
  {
    await using file = new FollowingFile(
      async () => {
        if (full) throw new Error('no space is left');
        written = true;
        return 0;
      },
      () => {
        told += 1;
      },
    );
    file.changed();
    await sleep(1);
    full = false;
  }

  expect({ written, told }).toEqual({ written: true, told: 1 });
});

it('.cache.json has times before 1970 as Go reads them, and none of those that it does not read', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'imgctl-k3s-cache-'));
  try {
    await writeFile(join(directory, '.cache.json'), '');
    {
      await using cache = await K3sCache.open(directory, () => {});
      const identity = { size: 1, inode: '1', changedNs: '0' };
      cache.set('/old.tar', { ...identity, modifiedNs: '-1500000000' }, ['app:1']);
      cache.set('/future.tar', { ...identity, modifiedNs: '9000000000000000000000' }, ['app:2']);
      cache.set('/far.tar', { ...identity, modifiedNs: '400000000000000000000' }, ['app:3']);
    }

    expect(JSON.parse(await readFile(join(directory, '.cache.json'), 'utf8'))).toEqual({
      '/old.tar': { size: 1, modTime: '1969-12-31T23:59:58.5Z', images: ['app:1'] },
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});
