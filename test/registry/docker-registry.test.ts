import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePlatform } from '../../src/image/platform.ts';
import type { Credential } from '../../src/image/registry-endpoint.ts';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { indexOf, randomImage } from '../support/archives.ts';
import {
  type DockerRegistry,
  hasRegistry,
  startRegistry,
  user,
} from '../support/registry/docker-registry.ts';
import { startProxy } from '../support/registry/proxy.ts';
import { pull, readAll, toldOf } from './pulled.ts';

/** A real registry, over TLS, that lets nobody in without a password. */
describe.skipIf(!hasRegistry)('images of a registry', async () => {
  const [amd64, arm64] = [
    await randomImage({ seed: 'pull', gzip: true }),
    await randomImage({ seed: 'pull', platform: 'linux/arm64' }),
  ];
  const index = indexOf([amd64, arm64]);
  const me: Credential = { kind: 'password', ...user };
  let authority: TestAuthority;
  let registry: DockerRegistry;

  beforeAll(async () => {
    authority = await makeTestAuthority('registry');
    const tls = await authority.issue('registry', { names: ['127.0.0.1'], usages: ['server'] });
    registry = await startRegistry({ login: true, tls });
    await registry.push(index, 'team/app:latest');
    await registry.push(amd64, 'team/app:single');
  });

  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await authority?.[Symbol.asyncDispose]();
  });

  const trusting = () => ({ scheme: 'https' as const, tls: { ca: authority.pair.cert }, credentials: [me] });

  it('are found by tag, latest unless another is named, and by digest', async () => {
    const name = `${registry.host}/team/app`;
    const meant: string[] = [];
    await using images = await pull([name, `${name}:single`, `${name}@${arm64.target.digest}`], {
      ...trusting(),
      onResolved: (_, digest) => meant.push(digest),
    });
    expect(images.failed).toEqual([]);
    expect(images.images).toEqual([
      { name: `${name}:latest`, target: index.target },
      { name: `${name}:single`, target: amd64.target },
      { name: `${name}@${arm64.target.digest}`, target: arm64.target },
    ]);
    expect(meant).toEqual([index, amd64, arm64].map(({ target }) => target.digest));
  });

  it('have all the blobs of their platforms, to be read from any place on', async () => {
    await using images = await pull([`${registry.host}/team/app`], trusting());
    for (const { descriptor, bytes } of index.blobs) {
      expect(images.sizeOf(descriptor.digest)).toBe(descriptor.size);
      expect(await readAll(images, descriptor.digest)).toEqual(bytes);
      expect(await readAll(images, descriptor.digest, 100)).toEqual(bytes.subarray(100));
    }
  });

  it('are read for the platforms that are wanted only', async () => {
    const before = registry.requests().length;
    await using images = await pull([`${registry.host}/team/app`], {
      ...trusting(),
      platforms: [
        { kind: 'hosts', platforms: [parsePlatform('linux/arm64'), parsePlatform('linux/arm/v7')] },
      ],
    });
    expect(images.sizeOf(arm64.layers[0]?.descriptor.digest ?? index.target.digest)).toBeGreaterThan(0);
    expect(images.sizeOf(amd64.target.digest)).toBeUndefined();
    expect(registry.requests().slice(before).join('\n')).not.toContain(amd64.target.digest);
  });

  it('are had with the first of several passwords that is right', async () => {
    const wrong: Credential = { kind: 'password', username: 'puller', password: 'old' };
    await using images = await pull([`${registry.host}/team/app`], {
      ...trusting(),
      credentials: [wrong, { ...wrong, username: 'nobody' }, me],
    });
    expect(images.failed).toEqual([]);
  });

  it('are refused without one, and what is refused does not keep others back', async () => {
    const name = `${registry.host}/team/app`;
    const wrong: Credential = { kind: 'password', username: 'puller', password: 'guessed-pass' };
    await using refused = await pull([name], { ...trusting(), credentials: [wrong] });
    expect(refused.failed).toMatchObject([
      { code: 'registry_unauthorized', context: { image: `${name}:latest` } },
    ]);
    expect(toldOf(refused.failed)).not.toContain('guessed');
    await using some = await pull([`${name}:nowhere`, name], trusting());
    expect(some.failed).toMatchObject([{ code: 'image_unknown', context: { image: `${name}:nowhere` } }]);
    expect(some.images).toHaveLength(1);
  });

  it('come through a proxy, which sees nothing of them', async () => {
    await using proxy = await startProxy();
    await using images = await pull([`${registry.host}/team/app`], {
      ...trusting(),
      proxyOf: () => proxy.url,
    });
    expect(images.failed).toEqual([]);
    expect(await readAll(images, amd64.config.descriptor.digest)).toEqual(amd64.config.bytes);
    expect([...new Set(proxy.asked)]).toEqual([registry.host]);
  });

  it('are not had from a registry whose certificate nobody vouches for, unless that is said', async () => {
    const name = `${registry.host}/team/app`;
    await using distrusted = await pull([name], { ...trusting(), tls: {} });
    expect(distrusted.failed).toMatchObject([{ code: 'registry_untrusted' }]);
    await using lenient = await pull([name], { ...trusting(), tls: { skipVerify: true } });
    expect(lenient.failed).toEqual([]);
    await using plain = await pull([name], { ...trusting(), scheme: 'http' });
    expect(plain.failed).toMatchObject([
      { code: 'registry_failed', context: { status: 400 }, hint: expect.stringContaining('HTTPS') },
    ]);
  });
});
