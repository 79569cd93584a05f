import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/image/descriptor.ts';
import { type Digest, digestOf } from '../../src/image/digest.ts';
import { type ReadDocument, resolveGraph } from '../../src/image/graph.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import { parsePlatform } from '../../src/image/platform.ts';
import type { PlatformChoice } from '../../src/image/platform-choice.ts';
import { imageOf, indexOf, jsonBlob, type TestBlob, type TestImage } from '../support/blobs.ts';

const amd64 = parsePlatform('linux/amd64');
const arm64 = parsePlatform('linux/arm64');
const s390x = parsePlatform('linux/s390x');
const hosts = (...platforms: string[]): PlatformChoice => ({
  kind: 'hosts',
  platforms: platforms.map(parsePlatform),
});
const named = (...platforms: string[]): PlatformChoice => ({
  kind: 'named',
  platforms: platforms.map(parsePlatform),
});
const all: PlatformChoice = { kind: 'all' };

/** Documents that are at hand. */
function holding(...blobs: readonly TestBlob[]): ReadDocument {
  const held = new Map(blobs.map(({ descriptor, bytes }) => [descriptor.digest, bytes]));
  return async ({ digest }) => held.get(digest);
}

const digests = (descriptors: readonly { readonly digest: Digest }[]) =>
  descriptors.map(({ digest }) => digest);
const digestsOf = (blobs: readonly TestBlob[]) => blobs.map(({ descriptor }) => descriptor.digest);
const indexBlob = (manifests: readonly Descriptor[], mediaType: string = mediaTypes.ociIndex) =>
  jsonBlob({ schemaVersion: 2, manifests }, mediaType);

describe('the graph of one manifest', () => {
  const image = imageOf(['bottom', 'top'], amd64);
  const { manifest, config, layers, target } = image;

  it('has its documents first, then its layers, bottom to top', async () => {
    const graph = await resolveGraph(target, hosts('linux/amd64'), holding(...image.blobs));
    expect(digests(graph.blobs)).toEqual([target.digest, config.descriptor.digest, ...digestsOf(layers)]);
    expect(graph.unread).toEqual([]);
    expect(graph.parents.map(({ descriptor }) => descriptor)).toEqual([target]);
    expect(graph.manifests).toHaveLength(1);
    expect(graph.manifests[0]).toMatchObject({ descriptor: target, platform: amd64 });
    expect(graph.manifests[0]?.layers).toEqual(
      layers.map(({ descriptor, diffId, chainId }) => ({ descriptor, diffId, chainId })),
    );
  });

  it('is its root alone while that is not at hand', async () => {
    const graph = await resolveGraph(target, hosts('linux/amd64'), holding());
    expect(graph).toMatchObject({ blobs: [target], unread: [target], manifests: [], parents: [] });
  });

  it('grows when the manifest comes, and again with the config', async () => {
    const graph = await resolveGraph(target, hosts('linux/amd64'), holding(manifest));
    expect(digests(graph.blobs)).toEqual([target.digest, config.descriptor.digest, ...digestsOf(layers)]);
    expect(graph.unread).toEqual([config.descriptor]);
    expect(graph.manifests[0]).toMatchObject({ platform: undefined, layers: [] });
  });

  it('is refused where no host runs it', async () => {
    await expect(resolveGraph(target, hosts('linux/s390x'), holding(...image.blobs))).rejects.toMatchObject({
      code: 'platform_missing',
      context: { wanted: 'linux/s390x', available: ['linux/amd64'] },
      hint: expect.stringContaining('--platform linux/amd64'),
    });
  });

  it('is refused where its config names another number of layers', async () => {
    const broken = jsonBlob(
      { schemaVersion: 2, config: config.descriptor, layers: [layers[0]?.descriptor] },
      mediaTypes.ociManifest,
    );
    const graph = resolveGraph(broken.descriptor, all, holding(broken, config));
    await expect(graph).rejects.toMatchObject({ code: 'document_invalid' });
  });

  it('is refused where it gives one blob two sizes', async () => {
    const [layer] = layers;
    const twice = [layer?.descriptor, { ...layer?.descriptor, size: 1 }];
    const liar = jsonBlob({ config: config.descriptor, layers: twice }, mediaTypes.ociManifest);
    const graph = resolveGraph(liar.descriptor, all, holding(liar, config));
    await expect(graph).rejects.toMatchObject({ code: 'document_invalid' });
  });

  it('has a blob once that it names twice', async () => {
    const twin = imageOf(['same', 'other', 'same']);
    // The file's name is part of the layer: make the two alike
    const [first] = twin.layers;
    const config = jsonBlob(
      { ...amd64, rootfs: { diff_ids: [first?.diffId, first?.diffId] } },
      mediaTypes.ociConfig,
    );
    const manifest = jsonBlob(
      { config: config.descriptor, layers: [first?.descriptor, first?.descriptor] },
      mediaTypes.ociManifest,
    );
    const graph = await resolveGraph(manifest.descriptor, all, holding(manifest, config));
    expect(graph.blobs).toHaveLength(3);
    expect(graph.manifests[0]?.layers).toHaveLength(2);
    expect(new Set(graph.manifests[0]?.layers.map(({ chainId }) => chainId)).size).toBe(2);
  });

  it('that is no image (a chart, a signature) is carried along to any host, and not unpacked', async () => {
    const content = jsonBlob({ files: 1 }, 'application/vnd.cncf.helm.chart.content.v1.tar+gzip');
    const settings = jsonBlob({}, 'application/vnd.cncf.helm.config.v1+json');
    const chart = jsonBlob(
      { config: settings.descriptor, layers: [content.descriptor] },
      mediaTypes.ociManifest,
    );
    const graph = await resolveGraph(chart.descriptor, hosts('linux/amd64'), holding(chart));
    expect(digests(graph.blobs)).toEqual(digestsOf([chart, settings, content]));
    expect(graph.unread).toEqual([]);
    expect(graph.manifests[0]).toMatchObject({ platform: undefined, layers: [] });
  });

  it('whose config names no platform is carried along to any host', async () => {
    const payload = jsonBlob({}, 'application/vnd.dev.cosign.simplesigning.v1+json');
    const config = jsonBlob(
      { architecture: '', os: '', rootfs: { diff_ids: [digestOf('x')] } },
      mediaTypes.ociConfig,
    );
    const signature = jsonBlob(
      { config: config.descriptor, layers: [payload.descriptor] },
      mediaTypes.ociManifest,
    );
    const graph = await resolveGraph(signature.descriptor, hosts('linux/amd64'), holding(signature, config));
    expect(graph.manifests[0]).toMatchObject({ platform: undefined, layers: [] });
  });
});

describe('the graph of an index', () => {
  const [onAmd64, onArm64] = [imageOf(['amd64'], amd64), imageOf(['arm64'], arm64)];
  const index = indexOf([
    { image: onAmd64, platform: { os: 'linux', architecture: 'amd64' } },
    { image: onArm64, platform: { os: 'linux', architecture: 'arm64' } },
  ]);
  const chosenOf = async (choice: PlatformChoice, target: Descriptor, read: ReadDocument) =>
    digests((await resolveGraph(target, choice, read)).manifests.map(({ descriptor }) => descriptor));

  it.each([
    ['one host', hosts('linux/arm64'), [onArm64]],
    ['a host that also runs others: its own only', hosts('linux/arm64', 'linux/arm/v7'), [onArm64]],
    ['those that are named', named('linux/arm64', 'linux/amd64'), [onArm64, onAmd64]],
    ['one that is named', named('linux/amd64'), [onAmd64]],
    ['all', all, [onAmd64, onArm64]],
  ] as const)('has what is needed for %s', async (_, choice, images) => {
    const graph = await resolveGraph(index.target, choice, holding(...index.blobs));
    const wanted = images as readonly TestImage[];
    expect(digests(graph.manifests.map(({ descriptor }) => descriptor))).toEqual(
      wanted.map(({ target }) => target.digest),
    );
    expect(new Set(digests(graph.blobs))).toEqual(
      new Set([index.target.digest, ...wanted.flatMap(({ blobs }) => digestsOf(blobs))]),
    );
    expect(graph.blobs[0]).toEqual(index.target);
    expect(graph.parents.at(-1)?.descriptor).toEqual(index.target);
    expect(graph.parents).toHaveLength(wanted.length + 1);
  });

  it('is its root alone while that is not at hand, whatever is wanted', async () => {
    for (const choice of [hosts('linux/amd64'), named('linux/s390x'), all]) {
      const graph = await resolveGraph(index.target, choice, holding());
      expect(graph).toMatchObject({ blobs: [index.target], unread: [index.target], manifests: [] });
    }
  });

  it('asks for the manifest of the platform that is wanted', async () => {
    const graph = await resolveGraph(index.target, hosts('linux/arm64'), holding(index.index));
    expect(digests(graph.blobs)).toEqual([index.target.digest, onArm64.target.digest]);
    expect(digests(graph.unread)).toEqual([onArm64.target.digest]);
  });

  it('is read by its configs where it names no platforms', async () => {
    const bare = indexOf([{ image: onAmd64 }, { image: onArm64 }]);
    expect(await chosenOf(hosts('linux/arm64'), bare.target, holding(...bare.blobs))).toEqual([
      onArm64.target.digest,
    ]);
    const empty = indexBlob([
      { ...onAmd64.target, platform: { os: '', architecture: '' } },
      { ...onArm64.target, platform: { os: '', architecture: '' } },
    ]);
    const read = holding(empty, ...bare.blobs);
    expect(await chosenOf(hosts('linux/arm64'), empty.descriptor, read)).toEqual([onArm64.target.digest]);
  });

  it('asks for the configs that tell the platforms, whether hosts or names are wanted', async () => {
    const bare = indexOf([{ image: onAmd64 }, { image: onArm64 }]);
    const read = holding(bare.index, onAmd64.manifest, onArm64.manifest);
    for (const choice of [hosts('linux/arm64'), named('linux/arm64')]) {
      const graph = await resolveGraph(bare.target, choice, read);
      expect(new Set(digests(graph.unread))).toEqual(new Set(digestsOf([onAmd64.config, onArm64.config])));
    }
    // One is known to be wanted, of the other it is not known yet
    const graph = await resolveGraph(
      bare.target,
      named('linux/amd64', 'linux/arm64'),
      holding(bare.index, onAmd64.manifest, onAmd64.config, onArm64.manifest),
    );
    expect(digests(graph.unread)).toEqual(digestsOf([onArm64.config]));
  });

  it('does without platforms that were not saved', async () => {
    const partial = indexOf([{ image: onAmd64, platform: amd64 }], [{ ...onArm64.target, platform: arm64 }]);
    const read = holding(...partial.blobs);
    expect(await chosenOf(hosts('linux/amd64'), partial.target, read)).toEqual([onAmd64.target.digest]);
    expect(await chosenOf(all, partial.target, read)).toEqual([onAmd64.target.digest]);
  });

  it('takes the next best that was saved where the best was not', async () => {
    const [v6, v7] = [
      imageOf(['v6'], parsePlatform('linux/arm/v6')),
      imageOf(['v7'], parsePlatform('linux/arm/v7')),
    ];
    const partial = indexOf(
      [{ image: v6, platform: { os: 'linux', architecture: 'arm', variant: 'v6' } }],
      [{ ...v7.target, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }],
    );
    expect(await chosenOf(hosts('linux/arm/v7'), partial.target, holding(...partial.blobs))).toEqual([
      v6.target.digest,
    ]);
  });

  it('is refused where a platform that is named is not in it', async () => {
    const read = holding(...index.blobs);
    for (const choice of [named('linux/s390x'), named('linux/amd64', 'linux/s390x')]) {
      await expect(resolveGraph(index.target, choice, read)).rejects.toMatchObject({
        code: 'platform_missing',
        context: { wanted: 'linux/s390x', available: ['linux/amd64', 'linux/arm64'] },
      });
    }
  });

  it('is refused where a chart stands in for the platform that is named', async () => {
    const chart = jsonBlob(
      { config: jsonBlob({}, 'application/vnd.cncf.helm.config.v1+json').descriptor, layers: [] },
      mediaTypes.ociManifest,
    );
    const mixed = indexBlob([{ ...onAmd64.target, platform: amd64 }, chart.descriptor]);
    const read = holding(mixed, chart, ...onAmd64.blobs);
    await expect(
      resolveGraph(mixed.descriptor, named('linux/amd64', 'linux/s390x'), read),
    ).rejects.toMatchObject({ code: 'platform_missing' });
    await expect(resolveGraph(mixed.descriptor, hosts('linux/s390x'), read)).rejects.toMatchObject({
      code: 'platform_missing',
    });
  });

  it('is refused where nothing of it was saved', async () => {
    const empty = indexOf([], [{ ...onArm64.target, platform: arm64 }]);
    await expect(resolveGraph(empty.target, all, holding(empty.index))).rejects.toMatchObject({
      code: 'platform_missing',
    });
    const nothing = indexOf([]);
    for (const choice of [all, hosts('linux/amd64'), named('linux/amd64')]) {
      await expect(resolveGraph(nothing.target, choice, holding(nothing.index))).rejects.toMatchObject({
        code: 'platform_missing',
        context: { available: [] },
      });
    }
  });

  it('leaves attestations out, but where everything is wanted', async () => {
    const statement = jsonBlob({}, 'application/vnd.in-toto+json');
    const config = jsonBlob(
      { architecture: 'unknown', os: 'unknown', rootfs: { diff_ids: [digestOf('statement')] } },
      mediaTypes.ociConfig,
    );
    const attestation = jsonBlob(
      { config: config.descriptor, layers: [statement.descriptor] },
      mediaTypes.ociManifest,
    );
    const attested = indexBlob([
      { ...onAmd64.target, platform: amd64 },
      {
        ...attestation.descriptor,
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
      },
    ]);
    const read = holding(attested, attestation, config, ...onAmd64.blobs);
    expect(await chosenOf(hosts('linux/amd64'), attested.descriptor, read)).toEqual([onAmd64.target.digest]);
    const graph = await resolveGraph(attested.descriptor, all, read);
    expect(graph.manifests.map(({ platform, layers }) => [platform, layers.length])).toEqual([
      [amd64, 1],
      [undefined, 0],
    ]);
    expect(digests(graph.blobs)).toContain(statement.descriptor.digest);
  });

  it('may be a Docker manifest list', async () => {
    const list = indexBlob(
      [
        { ...onAmd64.target, platform: { os: 'linux', architecture: 'amd64' } },
        { ...onArm64.target, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      ],
      mediaTypes.dockerManifestList,
    );
    const read = holding(list, ...onAmd64.blobs, ...onArm64.blobs);
    expect(await chosenOf(hosts('linux/arm64'), list.descriptor, read)).toEqual([onArm64.target.digest]);
  });

  it('passes over entries that are neither index nor manifest', async () => {
    const odd = { mediaType: 'application/vnd.example.thing', digest: digestOf('odd'), size: 10 ** 12 };
    const untyped = { mediaType: '', digest: digestOf('untyped'), size: 3 };
    const mixed = indexBlob([odd, untyped, { ...onAmd64.target, platform: amd64 }]);
    const known = holding(mixed, ...onAmd64.blobs);
    const read: ReadDocument = async (descriptor) => {
      expect([odd.digest, untyped.digest]).not.toContain(descriptor.digest);
      return known(descriptor);
    };
    for (const choice of [hosts('linux/amd64'), all])
      expect(await chosenOf(choice, mixed.descriptor, read)).toEqual([onAmd64.target.digest]);
  });

  it('has a manifest once that it names twice, and reads it once', async () => {
    const entry = { ...onAmd64.target, platform: amd64 };
    const twice = indexBlob(Array.from({ length: 1000 }, () => entry));
    const known = holding(twice, ...onAmd64.blobs);
    let reads = 0;
    const graph = await resolveGraph(twice.descriptor, all, (descriptor) => {
      reads += 1;
      return known(descriptor);
    });
    expect(graph.manifests).toHaveLength(1);
    expect(graph.parents).toHaveLength(2);
    expect(reads).toBe(3);
  });
});

describe('indexes in indexes', () => {
  const image = imageOf(['content'], amd64);

  it('are followed, and are parents after their children', async () => {
    const inner = indexOf([{ image, platform: { os: 'linux', architecture: 'amd64' } }]);
    const middle = indexBlob([inner.target]);
    const outer = indexBlob([middle.descriptor]);
    const graph = await resolveGraph(
      outer.descriptor,
      hosts('linux/amd64'),
      holding(outer, middle, ...inner.blobs),
    );
    const path = [
      image.target.digest,
      inner.target.digest,
      middle.descriptor.digest,
      outer.descriptor.digest,
    ];
    expect(digests(graph.parents.map(({ descriptor }) => descriptor))).toEqual(path);
    expect(digests(graph.blobs).slice(0, 4)).toEqual([...path].reverse());
  });

  it('come after their children also where two lead to one', async () => {
    const other = imageOf(['other'], s390x);
    const shared = indexOf([{ image, platform: amd64 }]);
    const second = indexBlob([shared.target, { ...other.target, platform: s390x }]);
    const first = indexBlob([shared.target]);
    const outer = indexBlob([first.descriptor, second.descriptor]);
    const graph = await resolveGraph(
      outer.descriptor,
      all,
      holding(outer, first, second, ...shared.blobs, ...other.blobs),
    );
    const order = digests(graph.parents.map(({ descriptor }) => descriptor));
    for (const { descriptor, document } of graph.parents) {
      const children = document.kind === 'index' ? document.manifests : [];
      for (const child of children)
        expect(order.indexOf(child.digest)).toBeLessThan(order.indexOf(descriptor.digest));
    }
    expect(new Set(order).size).toBe(6);
  });

  it('may be absent below the root', async () => {
    const absent = indexOf([{ image: imageOf(['x'], s390x) }]);
    const outer = indexBlob([absent.target, { ...image.target, platform: amd64 }]);
    const graph = await resolveGraph(outer.descriptor, hosts('linux/amd64'), holding(outer, ...image.blobs));
    expect(digests(graph.manifests.map(({ descriptor }) => descriptor))).toEqual([image.target.digest]);
    expect(graph.unread).toEqual([]);
  });

  it('that contain themselves are refused', async () => {
    // No bytes have such a digest; a source that does not verify could answer so
    const a = { mediaType: mediaTypes.ociIndex, digest: digestOf('a'), size: 1 };
    const b = { mediaType: mediaTypes.ociIndex, digest: digestOf('b'), size: 1 };
    const read: ReadDocument = async ({ digest }) =>
      Buffer.from(JSON.stringify({ manifests: [digest === a.digest ? b : a] }));
    await expect(resolveGraph(a, all, read)).rejects.toMatchObject({ code: 'image_cycle' });
  });

  it('are refused where they are nested deeper than any tool writes', async () => {
    const read: ReadDocument = async ({ digest }) =>
      Buffer.from(
        JSON.stringify({
          manifests: [{ mediaType: mediaTypes.ociIndex, digest: digestOf(digest), size: 1 }],
        }),
      );
    const root = { mediaType: mediaTypes.ociIndex, digest: digestOf('root'), size: 1 };
    await expect(resolveGraph(root, all, read)).rejects.toMatchObject({ code: 'document_invalid' });
  });

  it('are each read once, however many ways lead to them', async () => {
    const leaf = indexOf([{ image, platform: amd64 }]);
    const blobs = [...leaf.blobs];
    let target = leaf.target;
    for (let depth = 0; depth < 6; depth++) {
      const wide = indexBlob(Array.from({ length: 50 }, () => target));
      blobs.push(wide);
      target = wide.descriptor;
    }
    const known = holding(...blobs);
    let reads = 0;
    const graph = await resolveGraph(target, all, (descriptor) => {
      reads += 1;
      return known(descriptor);
    });
    expect(reads).toBe(9);
    expect(graph.parents).toHaveLength(8);
  });
});
