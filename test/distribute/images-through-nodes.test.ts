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
