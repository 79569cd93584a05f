import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signContent } from '../../../src/trust/minisign.ts';
import { newKeyPair, readSecretKey } from '../../../src/trust/minisign-key.ts';
import { imageOf } from '../../support/blobs.ts';
import { bundleArchive, smallArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

const run = promisify(execFile);

describe('with --images-dir-verify-key', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-signed-dir-'));
    const { publicText, secretText } = await newKeyPair();
    await writeFile(join(dir, 'key.pub'), publicText);
    await writeFile(join(dir, 'key'), secretText);
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** What the secret key says of these bytes. */
  const signatureOf = async (bytes: Uint8Array) =>
    signContent(bytes, await readSecretKey(join(dir, 'key')), 'of a test');
  /** The archive with a signature of its index beside it. */
  const signed = async (archive: Buffer, by = signatureOf) => {
    const [at, tar] = [await mkdtemp(join(dir, 'layout-')), join(dir, 'signed.tar')];
    await writeFile(tar, archive);
    await run('tar', ['-xf', tar, '-C', at]);
    const { stdout } = await run('cat', [join(at, 'index.json')], { encoding: 'buffer' });
    await writeFile(join(at, 'index.json.minisig'), await by(stdout));
    const first = ['oci-layout', 'index.json', 'index.json.minisig', 'manifest.json', 'blobs'];
    const { stdout: packed } = await run('tar', ['-C', at, '-cf', '-', ...first], { encoding: 'buffer' });
    return packed;
  };
  const start = (prepare: (directory: string) => Promise<unknown>) =>
    ImagesNode.start({ settings: { imagesDirVerifyKey: join(dir, 'key.pub') } }, prepare);

  it('what is signed is imported, and what is not, or by somebody else, is refused and leaves nothing', async () => {
    const other = await newKeyPair();
    await writeFile(join(dir, 'other'), other.secretText);
    const byOther = async (bytes: Uint8Array) =>
      signContent(bytes, await readSecretKey(join(dir, 'other')), 'of a test');
    const good = await signed(bundleArchive(imageOf(['good']), 'good:1'));
    const packed = await signed(bundleArchive(imageOf(['packed']), 'packed:1'));
    const bad = await signed(bundleArchive(imageOf(['bad']), 'bad:1'), byOther);
    await using node = await start(async (directory) => {
      await writeFile(`${directory}/good.tar`, good);
      await writeFile(`${directory}/packed.tar.zst`, zstdCompressSync(packed));
      await writeFile(`${directory}/bad.tar`, bad);
      await writeFile(`${directory}/bad.tar.zst`, zstdCompressSync(bad));
      await writeFile(`${directory}/none.tar`, smallArchive('none:1'));
      await writeFile(`${directory}/none.tar.zst`, zstdCompressSync(smallArchive('none:1')));
    });

    for (const name of ['good.tar', 'packed.tar.zst']) await node.ready(name);
    for (const name of ['bad.tar', 'bad.tar.zst', 'none.tar', 'none.tar.zst'])
      expect((await node.failed(name)).error?.code).toBe('signature_invalid');
    expect(await tagsIn(node.store)).toEqual(['docker.io/library/good:1', 'docker.io/library/packed:1']);
  });

  it('what was imported before without it is looked at once more', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive()),
    );
    await node.ready('app.tar');
    await node.restart({ imagesDirVerifyKey: join(dir, 'key.pub') });

    expect((await node.failed('app.tar')).error?.code).toBe('signature_invalid');
  });

  it('what is not signed has no say about a name that what is signed gives, however late it came', async () => {
    const good = await signed(bundleArchive(imageOf(['good']), 'app:1'));
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/good.tar`, good);
      await writeFile(`${directory}/late.tar`, smallArchive('app:1'));
    });
    for (const name of ['good.tar', 'late.tar']) await node.ready(name);
    await node.restart({ imagesDirVerifyKey: join(dir, 'key.pub') });

    await node.failed('late.tar');
    const { images } = await node.ready('good.tar');
    expect(images).toMatchObject([{ state: 'ready' }]);
    expect((await node.store.getImage('docker.io/library/app:1'))?.target.digest).toBe(images[0]?.digest);
  });

  it('a list needs a signature beside it', async () => {
    const list = 'good:1\n';
    await using node = await start(async (directory) => {
      await writeFile(`${directory}/good.tar`, await signed(bundleArchive(imageOf(['good']), 'good:1')));
      await writeFile(`${directory}/bare.txt`, list);
    });
    await node.ready('good.tar');
    expect((await node.failed('bare.txt')).error?.code).toBe('signature_invalid');
    await writeFile(node.path('signed.txt.minisig'), await signatureOf(Buffer.from(list)));
    await writeFile(node.path('signed.txt'), list);

    await node.ready('signed.txt');
    // It may come after its list
    await writeFile(node.path('bare.txt.minisig'), await signatureOf(Buffer.from(list)));
    await node.ready('bare.txt');
  });

  it('an agent does not start with a key that is none', async () => {
    await expect(ImagesNode.start({ settings: { imagesDirVerifyKey: join(dir, 'key') } })).rejects.toThrow(
      /no public key/,
    );
  });
});
