import { describe, expect, it } from 'vitest';
import { digestHex } from '../../src/image/digest.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import { parseReference } from '../../src/image/reference.ts';
import { ownEndpoint } from '../../src/image/registry-endpoint.ts';
import { openRegistries } from '../../src/registry/registry.ts';
import { blobOf, randomImage, type TestImage } from '../support/archives.ts';
import { type FakeRegistry, refuse, startFakeRegistry } from '../support/registry/fake-registry.ts';
import { artifact, cosignSignature } from '../support/signatures.ts';

const app = await randomImage({ seed: 'attached' });
const hex = digestHex(app.target.digest);
const refName = 'org.opencontainers.image.ref.name';

/** What a registry says is beside `team/app:1`. */
async function besideApp({ host }: FakeRegistry) {
  await using registries = openRegistries(
    {
      endpointsOf: async (reference) => [ownEndpoint(reference)],
      credentialsOf: async () => [],
      patience: { attempts: 2, firstDelayMs: 5, longestDelayMs: 100 },
    },
    { platforms: [] },
  );
  const image = await registries.find(parseReference(`${host}/team/app:1`));
  const entries = await image.attached();
  // Whoever takes an entry can have all of it
  for (const { digest } of entries) expect(registries.sizeOf(digest)).toBeGreaterThan(0);
  return { entries, sizeOf: registries.sizeOf };
}

/** `pages`: as the referrers API lists them. */
function lists(registry: FakeRegistry, ...pages: readonly object[][]): void {
  registry.guard = (request, response) => {
    const url = new URL(request.url ?? '', 'http://fake');
    if (url.pathname !== `/v2/team/app/referrers/${app.target.digest}`) return false;
    const page = Number(url.searchParams.get('page') ?? 0);
    const isLast = page >= pages.length - 1;
    response.writeHead(200, {
      'content-type': mediaTypes.ociIndex,
      ...(isLast ? {} : { link: `<http://elsewhere.example.com/other?page=${page + 1}>; rel="next"` }),
    });
    response.end(JSON.stringify({ schemaVersion: 2, manifests: pages[Math.min(page, pages.length - 1)] }));
    return true;
  };
}

const withBlobsOf = (...images: TestImage[]) =>
  Object.fromEntries(images.map((image, i) => [`team/other:${i}`, image]));

describe('what a registry holds beside an image', () => {
  it('is what stands under the tags of cosign, with those tags', async () => {
    const [signature, attestation] = [cosignSignature({ is: 'signed' }), cosignSignature({ is: 'attested' })];
    const tags = {
      'team/app:1': app,
      [`team/app:sha256-${hex}.sig`]: signature,
      [`team/app:sha256-${hex}.att`]: attestation,
      [`team/app:sha256-${'0'.repeat(64)}.sig`]: cosignSignature({ of: 'another' }),
    };
    await using registry = await startFakeRegistry({ tags });
    const { entries, sizeOf } = await besideApp(registry);
    expect(entries).toEqual([
      { ...signature.target, annotations: { [refName]: `${registry.host}/team/app:sha256-${hex}.sig` } },
      { ...attestation.target, annotations: { [refName]: `${registry.host}/team/app:sha256-${hex}.att` } },
    ]);
    for (const { descriptor } of signature.blobs) expect(sizeOf(descriptor.digest)).toBe(descriptor.size);
  });

  it('is what refers to it, of every page of the list, and nothing that does not say so itself', async () => {
    const sbom = artifact({ sbom: 1 }, app.target);
    const signature = cosignSignature({ signed: 1 }, app.target);
    const liar = cosignSignature({ about: 'nothing' });
    const tags = { 'team/app:1': app, ...withBlobsOf(sbom, signature, liar) };
    await using registry = await startFakeRegistry({ tags });
    const evil = { 'io.containerd.image.name': 'evil:1' };
    lists(
      registry,
      [{ ...sbom.target, artifactType: 'application/vnd.example.sbom', annotations: evil }],
      [liar.target, signature.target],
    );
    const { entries } = await besideApp(registry);
    expect(entries).toEqual([
      { ...sbom.target, artifactType: 'application/vnd.example.sbom' },
      signature.target,
    ]);
    expect(registry.requests.every(({ headers }) => headers.host === registry.host)).toBe(true);
  });

  it('is the list under its tag where the registry knows no referrers', async () => {
    const sbom = artifact({ sbom: 1 }, app.target);
    const list = blobOf(mediaTypes.ociIndex, {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [{ ...sbom.target, artifactType: 'application/vnd.example.sbom' }],
    });
    const index = { target: list.descriptor, blobs: [list, ...sbom.blobs] };
    await using registry = await startFakeRegistry({
      tags: { 'team/app:1': app, [`team/app:sha256-${hex}`]: index },
    });
    const { entries, sizeOf } = await besideApp(registry);
    expect(entries).toEqual([
      { ...list.descriptor, annotations: { [refName]: `${registry.host}/team/app:sha256-${hex}` } },
    ]);
    for (const { descriptor } of sbom.blobs) expect(sizeOf(descriptor.digest)).toBe(descriptor.size);
  });

  it.each([400, 401, 403, 404, 405, 501])(
    'is nothing where it answers %i to the question',
    async (status) => {
      await using registry = await startFakeRegistry({ tags: { 'team/app:1': app } });
      const question = /referrers|sha256-/;
      for (let i = 0; i < 10; i += 1) registry.faults.push(refuse(question, status));
      expect((await besideApp(registry)).entries).toEqual([]);
    },
  );

  it('is nothing where every path is answered by some page', async () => {
    await using registry = await startFakeRegistry({ tags: { 'team/app:1': app } });
    registry.faults.push({
      path: /referrers/,
      answer: (response) => void response.writeHead(200).end('<html>'),
    });
    expect((await besideApp(registry)).entries).toEqual([]);
  });

  it('is not passed over where the registry is in trouble', async () => {
    await using registry = await startFakeRegistry({ tags: { 'team/app:1': app } });
    for (let i = 0; i < 10; i += 1) registry.faults.push(refuse(/\.sig$/, 503));
    await expect(besideApp(registry)).rejects.toMatchObject({ code: 'registry_failed' });
  });

  it('is refused where the list never ends', async () => {
    await using registry = await startFakeRegistry({ tags: { 'team/app:1': app } });
    lists(registry, ...Array.from({ length: 1000 }, () => []));
    await expect(besideApp(registry)).rejects.toThrow('a list without end');
    expect(registry.requests.length).toBeLessThan(40);
  });
});
