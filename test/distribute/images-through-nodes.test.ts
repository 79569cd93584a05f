import { expect, it } from 'vitest';
import type { RegistryImage } from '../../src/agent-api/registry-image.ts';
import { openImagesThroughNodes, type RegistryNode } from '../../src/distribute/images-through-nodes.ts';
import { ImgctlError } from '../../src/errors.ts';
import { digestReference, parseReference } from '../../src/image/reference.ts';
import { imageOf, type TestImage } from '../support/blobs.ts';

const image = imageOf(['a layer']);
const another = imageOf(['another layer']);
const app = parseReference('registry.example.com/app:1');

function told({ target, manifest, config, layers }: TestImage): RegistryImage {
  return {
    target,
    documents: [manifest, config].map(({ descriptor, bytes }) => ({
      descriptor,
      data: Buffer.from(bytes).toString('base64'),
    })),
    blobs: layers.map(({ descriptor: { digest, size } }) => ({ digest, size })),
  };
}

function node(name: string, answer: () => RegistryImage): RegistryNode {
  return { name, registryImage: async () => answer() };
}

const open = (reference: typeof app, nodes: readonly RegistryNode[]) =>
  openImagesThroughNodes([reference], nodes, {
    platforms: [],
    logins: [],
    maxParallel: 1,
    signal: new AbortController().signal,
  });

const [manifest, config] = told(image).documents;
const lies: Readonly<Record<string, RegistryImage>> = {
  'another image under its digest': told(another),
  'a document that does not have its digest': {
    ...told(image),
    documents: told(image).documents.map((document) => ({
      ...document,
      data: Buffer.from('{"config":{}}').toString('base64'),
    })),
  },
  'a size that is not its own': {
    ...told(image),
    documents: told(image).documents.map(({ descriptor, data }) => ({
      descriptor: { ...descriptor, size: descriptor.size + 1 },
      data,
    })),
  },
  'no document of its own': {
    ...told(image),
    documents: manifest === undefined || config === undefined ? [] : [config],
  },
};

it.each(Object.keys(lies))('a node that gives %s is not believed, and the next is asked', async (lie) => {
  const asked = digestReference(app, image.target.digest);
  const liar = node('liar', () => lies[lie] ?? told(another));
  await using source = await open(parseReference(asked), [liar, node('honest', () => told(image))]);
  expect(source.failed).toEqual([]);
  expect(source.images).toMatchObject([{ target: { digest: image.target.digest } }]);
  await using alone = await open(parseReference(asked), [liar]);
  expect(alone.failed).toMatchObject([{ code: 'digest_mismatch' }]);
});

const lacks = (): never => {
  throw new ImgctlError('image_unknown', 'registry.example.com does not have app:1', {
    hint: 'Check the name and the tag.',
    context: { registry: 'registry.example.com' },
  });
};

it('an image that the registries of one node do not have is had by the next', async () => {
  const asked: string[] = [];
  const hears = (name: string, answer: () => RegistryImage) =>
    node(name, () => {
      asked.push(name);
      return answer();
    });
  const nodes = [hears('a', lacks), hears('b', () => told(image)), hears('c', lacks)];
  await using source = await openImagesThroughNodes([app, app], nodes, {
    platforms: [],
    logins: [],
    maxParallel: 1,
    signal: new AbortController().signal,
  });
  expect(source.failed).toEqual([]);
  expect(source.images).toMatchObject([{ target: image.target }, { target: image.target }]);
  // Who had the one is asked first for the other
  expect(asked).toEqual(['a', 'b', 'b']);
});

it('an image is nowhere where every node says so, each in its own words', async () => {
  const mirrorLacks = (): never => {
    throw new ImgctlError('image_unknown', 'mirror.example.com does not have app:1');
  };
  const nodes = [node('a', lacks), node('b', mirrorLacks), node('c', lacks)];
  await using source = await open(app, nodes);
  expect(source.failed).toMatchObject([
    {
      code: 'image_unknown',
      message: 'a, c: registry.example.com does not have app:1; b: mirror.example.com does not have app:1',
      hint: expect.stringMatching(/^Check the name and the tag\. .*--via command/),
      context: { registry: 'registry.example.com' },
    },
  ]);
});

it('five nodes are believed that an image is nowhere, however many there are', async () => {
  let asked = 0;
  const nodes = Array.from({ length: 200 }, (_, i) =>
    node(`n${i}`, () => {
      asked += 1;
      return lacks();
    }),
  );
  await using source = await open(app, nodes);
  expect(asked).toBe(5);
  expect(source.failed).toMatchObject([
    {
      code: 'image_unknown',
      message: expect.stringContaining('n0, n1, n2, n3, n4: '),
      hint: expect.stringContaining('195 more nodes were not asked'),
    },
  ]);
});

it('an image is not said to be nowhere where a node could not look for it there', async () => {
  const refuse = (): never => {
    throw new ImgctlError('registry_unauthorized', 'mirror.example.com does not give app:1 to this user');
  };
  await using source = await open(app, [node('a', lacks), node('b', refuse)]);
  expect(source.failed).toMatchObject([
    {
      code: 'registry_unauthorized',
      message:
        'b: mirror.example.com does not give app:1 to this user; a: registry.example.com does not have app:1',
    },
  ]);
});

it('a node that is down says nothing of whether an image is there', async () => {
  const down = (): never => {
    throw new ImgctlError('node_unreachable', '10.0.4.17:25000 cannot be reached');
  };
  await using source = await open(app, [node('a', down), node('b', lacks)]);
  expect(source.failed).toMatchObject([
    { code: 'image_unknown', message: expect.stringMatching(/^b: .*; a: 10\.0\.4\.17:25000 cannot/) },
  ]);
});

it('what many nodes said in many words is told of some of them', async () => {
  const nodes = Array.from({ length: 100 }, (_, i) =>
    node(`n${i}`, () => {
      throw new ImgctlError('registry_failed', `at ${i} ${'x'.repeat(4000)}`);
    }),
  );
  await using source = await open(app, nodes);
  const [error] = source.failed;
  expect(error?.message).toMatch(/^n0: at 0 x.*; n1: at 1 x.*; and 97 more$/);
  expect(error?.message.length).toBeLessThan(1000);
});

it('where no node may have an image, the pull secret of pods is spoken of', async () => {
  const refuse = (): never => {
    throw new ImgctlError('registry_unauthorized', 'registry.example.com does not give it to this user');
  };
  await using source = await open(app, [node('a', refuse), node('b', refuse)]);
  expect(source.failed).toMatchObject([
    { code: 'registry_unauthorized', hint: expect.stringContaining('--pull-secret NAMESPACE/NAME') },
  ]);
});

it("where all nodes have another's agent, as MicroK8s's are, it is said that the command can pull for them", async () => {
  const refuse = (): never => {
    throw new ImgctlError('node_not_agent', 'what answers there is not an imgctl agent', {
      hint: 'Check host and port.',
    });
  };
  await using source = await open(app, [node('a', refuse), node('b', refuse)]);
  expect(source.failed).toMatchObject([
    { code: 'node_not_agent', hint: expect.stringMatching(/^Check host and port\. .*--via command/) },
  ]);
});
