import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { imageOf } from '../../support/blobs.ts';
import { layoutOf } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

describe('an archive in which an image has no name', () => {
  it.each([
    ['app.tar', (bytes: Buffer) => bytes],
    ['app.tgz', gzipSync],
  ])(
    'gives those that have one, and the other is told of, before and after a restart: %s',
    async (name, write) => {
      const nameless = imageOf(['nameless']);
      const archive = layoutOf([
        ['app:1', imageOf(['app'])],
        [undefined, nameless],
      ]);
      await using node = await ImagesNode.start({}, (directory) =>
        writeFile(`${directory}/${name}`, write(archive)),
      );

      const expected = [
        { name: 'docker.io/library/app:1', state: 'ready' },
        {
          name: nameless.target.digest,
          digest: nameless.target.digest,
          state: 'failed',
          error: { code: 'archive_unnamed' },
        },
      ];
      expect(await node.failed(name)).toMatchObject({ images: expected });
      expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:1']);
      const [line = ''] = node.agent.log.filter((text) => text.includes('were not all imported'));
      expect(JSON.parse(line)).toMatchObject({ outcome: 'partial', code: 'archive_unnamed' });

      await node.restart();
      expect(await node.failed(name)).toMatchObject({ images: expected });
      expect(node.messages('Importing images')).toEqual([]);
    },
  );

  it('is refused where none has a name', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, layoutOf([[undefined, imageOf(['nameless'])]])),
    );

    expect(await node.failed('app.tar')).toMatchObject({ images: [], error: { code: 'archive_unnamed' } });
  });
});
