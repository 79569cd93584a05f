import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/image/digest.ts';
import { sourceLabels } from '../../../src/store/containerd/blob-labels.ts';
import { referenceLabels, referredBy } from '../../../src/store/containerd/lease-keeper.ts';
import { blobResource, snapshotResource } from '../../../src/store/containerd/lease-resources.ts';
import { aliasesLeftBy } from '../../../src/store/containerd/remove-image.ts';
import { retentionLabels } from '../../../src/store/containerd/retain.ts';
import type { StoredImage } from '../../../src/store/store.ts';
import { imageOf } from '../../support/blobs.ts';

describe('labels of a blob', () => {
  it('name every repository of a registry once, as long as they fit', () => {
    const repositories = Array.from({ length: 2000 }, (_, i) => ({
      registry: 'r.test',
      repository: `app/${i}`,
    }));
    const label = sourceLabels([...repositories.slice(0, 1), ...repositories])[
      'containerd.io/distribution.source.r.test'
    ];
    expect(label?.split(',').slice(0, 3)).toEqual(['app/0', 'app/1', 'app/2']);
    expect(label?.length).toBeLessThanOrEqual(4096);
  });

  it('name the children of a manifest as containerd does', () => {
    const { config, layers } = imageOf(['a', 'b']);
    expect(
      retentionLabels({ config: config.descriptor, layers: layers.map(({ descriptor }) => descriptor) }),
    ).toEqual({
      'containerd.io/gc.ref.content.config': config.descriptor.digest,
      'containerd.io/gc.ref.content.l.0': layers[0]?.descriptor.digest,
      'containerd.io/gc.ref.content.l.1': layers[1]?.descriptor.digest,
    });
  });
});

describe('labels of a keeper', () => {
  it('refer to what they were made of', () => {
    const resources = [
      blobResource(digestOf('a')),
      snapshotResource('overlayfs', digestOf('b')),
      snapshotResource('io.example.lazy', digestOf('c')),
    ];
    const [labels = {}, ...others] = referenceLabels(resources);
    expect(others).toEqual([]);
    expect(referredBy({ ...labels, 'imgctl.dev/keeper': 'true' })).toEqual(resources);
  });

  it('are shared out among as many keepers as a message has room for', () => {
    const resources = Array.from({ length: 45_000 }, (_, i) => blobResource(`sha256:${i}`));
    const keepers = referenceLabels(resources);
    expect(keepers).toHaveLength(3);
    expect(keepers.flatMap(referredBy)).toEqual(resources);
  });
});

describe("the CRI's own name of an image", () => {
  const { target, config } = imageOf(['x']);
  const named = (name: string, labels = {}): StoredImage => ({ name, target, labels });
  const alias = named(config.descriptor.digest, { 'io.cri-containerd.image': 'managed' });
  const image = named('r.test/app:1');

  it('goes with the last other name', () => {
    expect(aliasesLeftBy(image, [image, alias])).toEqual([alias.name]);
  });

  it('stays while there is another', () => {
    expect(aliasesLeftBy(image, [image, alias, named('r.test/app:2')])).toEqual([]);
  });

  it('is only what the CRI made', () => {
    expect(aliasesLeftBy(image, [image, named(config.descriptor.digest)])).toEqual([]);
  });
});
