import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { parseReference } from '../../src/image/reference.ts';
import { type Credential, ownEndpoint } from '../../src/image/registry-endpoint.ts';
import { openRegistries } from '../../src/registry/registry.ts';
import type { RegistrySettings } from '../../src/registry/repository.ts';
import { randomImage } from '../support/archives.ts';
import { becomes } from '../support/becomes.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/registry/fake-registry.ts';

const image = await randomImage({ layers: 1, seed: 'shared' });
const me: Credential = { kind: 'password', username: 'me', password: 'right-pass' };

/** A registry that wants a token; `before` may keep one waiting for it. */
async function startGuarded(before: () => Promise<void> = async () => {}): Promise<FakeRegistry> {
  const registry = await startFakeRegistry({ tags: { 'app:1': image } });
  registry.guard = (request, response) => {
    if (request.url?.startsWith('/token')) {
      const give = () => response.end(JSON.stringify({ token: 'a-token', expires_in: 300 }));
      before().then(give, give);
      return true;
    }
    if (request.headers.authorization === 'Bearer a-token') return false;
    response.writeHead(401, { 'www-authenticate': `Bearer realm="${registry.url}/token",service="x"` }).end();
    return true;
  };
  return registry;
}

const open = (settings: Partial<RegistrySettings> = {}) =>
  openRegistries(
    {
      endpointsOf: async (reference) => [ownEndpoint(reference)],
      credentialsOf: async () => [me],
      ...settings,
    },
    { platforms: [] },
  );

/** Fails when it is called first. */
function notAtFirst<T>(work: () => Promise<T>): () => Promise<T> {
  let called = false;
  return async () => {
    if (called) return work();
    called = true;
    throw new Error('it is half written');
  };
}

describe('what requests to a registry share', () => {
  it('is a token, which one gets that waits for it also when another gives up', async () => {
    const given = Promise.withResolvers<void>();
    await using registry = await startGuarded(() => given.promise);
    await using registries = open();
    const reference = parseReference(`${registry.host}/app:1`);
    const impatient = new AbortController();
    const first = registries.find(reference, impatient.signal);
    first.catch(() => {});
    await becomes(
      () => registry.paths(),
      (paths) => paths.some((path) => path.startsWith('/token')),
    );
    const second = registries.find(reference);
    second.catch(() => {});
    await becomes(
      () => registry.paths().filter((path) => path.includes('/manifests/')),
      ({ length }) => length === 2,
    );
    // Its answer is read, and it waits for the token with the other
    await sleep(100);
    impatient.abort();
    await expect(first).rejects.toThrow();
    given.resolve();

    expect((await second).target.digest).toBe(image.target.digest);
    expect(registry.paths().filter((path) => path.startsWith('/token'))).toHaveLength(1);
  });

  it('is who one is, which is found out another time where that failed', async () => {
    await using registry = await startGuarded();
    await using registries = open({ credentialsOf: notAtFirst(async () => [me]) });
    const reference = parseReference(`${registry.host}/app:1`);
    await expect(registries.find(reference)).rejects.toThrow('half written');

    expect((await registries.find(reference)).target.digest).toBe(image.target.digest);
  });

  it('is where one asks, which is found out another time where that failed', async () => {
    await using registry = await startGuarded();
    const reference = parseReference(`${registry.host}/app:1`);
    await using registries = open({ endpointsOf: notAtFirst(async () => [ownEndpoint(reference)]) });
    await expect(registries.find(reference)).rejects.toThrow('half written');

    expect((await registries.find(reference)).target.digest).toBe(image.target.digest);
  });
});
