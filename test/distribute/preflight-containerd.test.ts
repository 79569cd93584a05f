import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { digestOf } from '../../src/image/digest.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import { blobOf, ociLayout, tarOf } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { startContainerd } from '../support/containerd/daemon.ts';
import { describeContainerd } from '../support/require-containerd.ts';

const name = 'docker.io/library/zeros:1';

/** An image of one layer that is small as long as it is packed. */
async function zeros(bytes: number): Promise<Buffer> {
  const tar = await tarOf([{ name: 'zeros', body: Buffer.alloc(bytes) }]);
  const layer = blobOf(mediaTypes.ociLayerGzip, gzipSync(tar));
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const rootfs = { type: 'layers', diff_ids: [digestOf(tar)] };
  const config = blobOf(mediaTypes.ociConfig, { os: 'linux', architecture, config: {}, rootfs });
  const manifest = blobOf(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  const image = { target: manifest.descriptor, blobs: [manifest, config, layer] };
  return tarOf(ociLayout([{ image, name }]));
}

describeContainerd('a containerd with little room', (generation) => {
  it('is refused what would not fit once it is unpacked, before any byte of it is there', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'imgctl-little-'));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder]);
    stack.defer(() => void execFileSync('umount', ['--lazy', folder]));
    const daemon = await startContainerd(generation, { root: folder, snapshotter: 'native' });
    stack.defer(() => daemon.stop());
    const dir = mkdtempSync(join(tmpdir(), 'imgctl-little-archive-'));
    stack.defer(() => rmSync(dir, { recursive: true, force: true }));
    const archive = join(dir, 'zeros.tar');
    writeFileSync(archive, await zeros(40_000_000));
    const run = (...args: string[]) =>
      runCli(['ctr', '--address', daemon.socket, 'image', 'import', archive, '-o', 'json', ...args]);

    const refused = await run();
    expect(JSON.parse(refused.stdout)).toMatchObject({
      ok: false,
      nodes: [
        {
          status: 'refused',
          bytesSent: 0,
          error: { code: 'store_full', hint: expect.stringContaining('--no-unpack') },
        },
      ],
    });
    expect(refused.status).toBe(4);
    expect(JSON.parse((await run('--dry-run')).stdout)).toMatchObject({
      nodes: [{ error: { code: 'store_full' } }],
    });
    const packed = await run('--no-unpack');
    expect(JSON.parse(packed.stdout)).toMatchObject({ ok: true, nodes: [{ status: 'imported' }] });
  });
});
