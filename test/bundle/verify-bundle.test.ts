import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type VerifyOptions, verifyBundle } from '../../src/bundle/verify-bundle.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import { failure, openFile } from '../archive/opened.ts';
import {
  blobOf,
  blobPath,
  dockerSave,
  indexOf,
  ociLayout,
  randomImage,
  type TarMember,
  type TestBlob,
  tarOf,
} from '../support/archives.ts';
import { cosignSignature } from '../support/signatures.ts';

const app = await randomImage({ seed: 'app', gzip: true });
const arm = await randomImage({ seed: 'app', platform: 'linux/arm64' });
const [layer] = app.layers as [TestBlob];
const both = indexOf([app, arm]);

async function verified(members: readonly TarMember[], options?: VerifyOptions) {
  await using archive = await openFile(await tarOf(members), { unnamed: 'keep', incomplete: 'keep' });
  return await verifyBundle(archive, options);
}

/** The same members with other bytes, of the same length, at this name. */
function damaged(members: readonly TarMember[], name: string): TarMember[] {
  return members.map((member) => {
    if (member.name !== name) return member;
    const body = Buffer.from(member.body as Uint8Array);
    body.writeUInt8(body.readUInt8(body.length >> 1) ^ 1, body.length >> 1);
    return { ...member, body };
  });
}

describe('verifying a bundle', () => {
  it('finds no fault in one that is sound, and has read every blob of it', async () => {
    const { flaws, blobs, bytes } = await verified(ociLayout([{ image: both, name: 'app:1' }]));
    expect(flaws).toEqual([]);
    expect(blobs).toBe(both.blobs.length);
    expect(bytes).toBe(both.blobs.reduce((sum, blob) => sum + blob.bytes.byteLength, 0));
  });

  it('names a layer in which one bit is wrong', async () => {
    const members = ociLayout([{ image: both, name: 'app:1' }]);
    const { flaws } = await verified(damaged(members, blobPath(layer.descriptor.digest)));
    expect(flaws).toMatchObject([
      { what: layer.descriptor.digest, detail: expect.stringContaining('have the digest sha256:') },
    ]);
  });

  it('names a blob that no image needs, too: whoever takes the archive takes it', async () => {
    const stray = blobOf(mediaTypes.ociLayer, Buffer.from('stray'));
    const members = [
      ...ociLayout([{ image: app, name: 'app:1' }]),
      { name: blobPath(stray.descriptor.digest), body: Buffer.from('other') },
    ];
    expect((await verified(members)).flaws).toMatchObject([{ what: stray.descriptor.digest }]);
  });

  it('names a signature of which a part is missing', async () => {
    const signature = cosignSignature({ signed: 1 }, app.target);
    const tag = `${app.target.digest.replace(':', '-')}.sig`;
    const annotations = { 'org.opencontainers.image.ref.name': tag };
    const images = [
      { image: app, name: 'app:1' },
      { image: signature, annotations },
    ];
    expect((await verified(ociLayout(images))).flaws).toEqual([]);
    const [, , payload] = signature.blobs as [TestBlob, TestBlob, TestBlob];
    for (const { digest } of [payload.descriptor, signature.target]) {
      const { flaws } = await verified(ociLayout(images, { without: [digest] }));
      expect(flaws).toMatchObject([{ what: tag, detail: `it lacks ${digest}` }]);
    }
  });

  it('finds a layer of docker save whose bytes are not what the config says', async () => {
    const members = dockerSave([{ image: app, tags: ['app:1'] }]);
    expect((await verified(members)).flaws).toEqual([]);
    const name = members.find((member) => member.name.endsWith('/layer.tar'))?.name ?? '';
    expect((await verified(damaged(members, name))).flaws).toHaveLength(1);
  });

  it('finds a layer that unpacks to something else than its image says, which no digest shows', async () => {
    const wrong = blobOf(mediaTypes.ociLayerGzip, gzipSync(await tarOf([{ name: 'else', body: 'x' }])));
    const manifest = blobOf(mediaTypes.ociManifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: app.config.descriptor,
      layers: [wrong.descriptor, app.layers[1]?.descriptor],
    });
    const image = { target: manifest.descriptor, blobs: [manifest, wrong, ...app.blobs] };
    const { flaws } = await verified(ociLayout([{ image, name: 'app:1' }]));
    expect(flaws).toMatchObject([
      { what: wrong.descriptor.digest, detail: expect.stringMatching(/unpacks to .* config says/) },
    ]);
  });

  it('names what a platform lacks; one that was left out as a whole is no fault', async () => {
    const lost = arm.layers[0]?.descriptor.digest ?? app.target.digest;
    const part = ociLayout([{ image: both, name: 'app:1' }], { without: [lost] });
    expect((await verified(part)).flaws).toMatchObject([
      { what: 'docker.io/library/app:1', detail: `linux/arm64 lacks ${lost}` },
    ]);
    const without = arm.blobs.map(({ descriptor }) => descriptor.digest);
    expect((await verified(ociLayout([{ image: both, name: 'app:1' }], { without }))).flaws).toEqual([]);
  });

  it('asks for the platforms that are named, in every image', async () => {
    const members = ociLayout([
      { image: both, name: 'app:1' },
      { image: app, name: 'amd:1' },
    ]);
    const { flaws } = await verified(members, { platforms: ['linux/amd64', 'linux/arm64'] });
    expect(flaws).toMatchObject([
      { what: 'docker.io/library/amd:1', detail: 'it has no linux/arm64: linux/amd64' },
    ]);
  });

  it('says that nothing is there of an image that is merely named', async () => {
    const members = ociLayout([{ image: app, name: 'app:1' }], {
      without: app.blobs.map(({ descriptor }) => descriptor.digest),
    });
    expect((await verified(members)).flaws).toMatchObject([{ detail: 'nothing of it is in the bundle' }]);
  });

  it('refuses a manifest that is damaged, as an import would', async () => {
    const members = damaged(ociLayout([{ image: app, name: 'app:1' }]), blobPath(app.target.digest));
    expect((await failure(verified(members))).code).toBe('digest_mismatch');
  });
});
