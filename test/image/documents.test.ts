import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import { digestOf } from '../../src/image/digest.ts';
import {
  maxDocumentBytes,
  parseConfig,
  parseDocument,
  parseIndex,
  parseManifest,
} from '../../src/image/documents.ts';
import { mediaTypes } from '../../src/image/media-types.ts';

const bytesOf = (json: unknown) => Buffer.from(JSON.stringify(json));
const descriptor = (text: string, mediaType: string) => ({
  mediaType,
  digest: digestOf(text),
  size: text.length,
});
const config = descriptor('config', mediaTypes.ociConfig);
const layer = descriptor('layer', mediaTypes.ociLayerGzip);
const manifest = descriptor('manifest', mediaTypes.ociManifest);
const invalid = expect.objectContaining({ name: 'ImgctlError', code: 'document_invalid' });

describe('an index', () => {
  it('has its manifests with what it says of them', () => {
    const entry = { ...manifest, platform: { os: 'linux', architecture: 'arm64' }, annotations: { a: 'b' } };
    expect(parseIndex(bytesOf({ schemaVersion: 2, manifests: [entry] })).manifests).toEqual([entry]);
  });

  it.each([
    ['null, as Docker 25 writes them', { manifests: null }],
    ['nothing', {}],
    ['none', { manifests: [] }],
  ])('has no manifests where they are %s', (_, json) => {
    expect(parseIndex(bytesOf(json)).manifests).toEqual([]);
  });

  it.each([
    ['layers', { manifests: [manifest], layers: [layer] }],
    ['a config', { manifests: [manifest], config }],
    ['empty layers', { manifests: [], layers: [] }],
    ['null for a config', { manifests: [], config: null }],
    ["a manifest's media type", { manifests: [manifest], mediaType: mediaTypes.ociManifest }],
    ["a Docker manifest's media type", { manifests: [manifest], mediaType: mediaTypes.dockerManifest }],
    // Go, and so containerd, reads keys in any case: the last one wins there
    ['layers in another case', { manifests: [manifest], Layers: [layer] }],
    ['its manifests twice, in two cases', { manifests: [manifest], MANIFESTS: [] }],
  ])('with %s is refused: tools would not agree what it is', (_, json) => {
    expect(() => parseIndex(bytesOf(json))).toThrow(invalid);
  });
});

describe('a manifest', () => {
  it('has a config and layers', () => {
    const json = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] };
    expect(parseManifest(bytesOf(json))).toEqual({
      kind: 'manifest',
      mediaType: mediaTypes.ociManifest,
      config,
      layers: [layer],
    });
  });

  it('has no layers where they are null', () => {
    expect(parseManifest(bytesOf({ config, layers: null })).layers).toEqual([]);
  });

  it.each([
    ['manifests', { config, layers: [layer], manifests: [manifest] }],
    ['null for manifests', { config, layers: [layer], manifests: null }],
    ["an index's media type", { config, layers: [layer], mediaType: mediaTypes.ociIndex }],
    ["a manifest list's media type", { config, layers: [layer], mediaType: mediaTypes.dockerManifestList }],
    ['its layers twice, in two cases', { config, layers: [layer], Layers: [] }],
  ])('with %s is refused: tools would not agree what it is', (_, json) => {
    expect(() => parseManifest(bytesOf(json))).toThrow(invalid);
  });

  it.each([
    ['no config', { layers: [layer] }],
    ['a size below zero', { config: { ...config, size: -1 } }],
    ['half a byte', { config: { ...config, size: 0.5 } }],
    ['a size that no number holds', { config: { ...config, size: 2 ** 53 } }],
    ['a digest that is a path', { config: { ...config, digest: 'sha256:../../../etc/passwd' } }],
    ['layers that are no list', { config, layers: {} }],
  ])('with %s is refused', (_, json) => {
    expect(() => parseManifest(bytesOf(json))).toThrow(invalid);
  });
});

describe('a config', () => {
  it('has a platform, normalised, and diff IDs', () => {
    const diffIds = [digestOf('a'), digestOf('b')];
    const json = {
      os: 'linux',
      architecture: 'arm',
      variant: '7',
      rootfs: { type: 'layers', diff_ids: diffIds },
    };
    const platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
    expect(parseConfig(bytesOf(json))).toEqual({ kind: 'config', platform, diffIds });
  });

  it('is of linux where it names only an architecture', () => {
    expect(parseConfig(bytesOf({ architecture: 'amd64' })).platform).toEqual({
      os: 'linux',
      architecture: 'amd64',
    });
  });

  it.each([[{}], [{ rootfs: null }], [{ rootfs: { diff_ids: null } }]])('has no diff IDs in %j', (json) => {
    expect(parseConfig(bytesOf(json)).diffIds).toEqual([]);
  });
});

describe('a document', () => {
  it('is read as what its descriptor says', () => {
    expect(parseDocument(manifest, bytesOf({ config }))).toMatchObject({ kind: 'manifest' });
    expect(parseDocument(config, bytesOf({ config }))).toMatchObject({ kind: 'config' });
    const index = descriptor('index', mediaTypes.dockerManifestList);
    expect(parseDocument(index, bytesOf({}))).toMatchObject({ kind: 'index', mediaType: index.mediaType });
    expect(() => parseDocument(layer, bytesOf({}))).toThrow(invalid);
  });

  it.each([['null'], ['[]'], ['"text"'], ['1'], [''], ['{'], ['{}x'], ['\u0000']])('is not %j', (text) => {
    expect(() => parseIndex(Buffer.from(text))).toThrow(invalid);
  });

  it('is UTF-8', () => {
    expect(() => parseIndex(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toThrow(invalid);
  });

  it('that is too large is refused before it is read', () => {
    const bytes = Buffer.alloc(maxDocumentBytes + 1, ' ');
    expect(() => parseManifest(bytes)).toThrow(expect.objectContaining({ code: 'document_too_large' }));
  });

  it('that is nested deeper than any stack is refused like any other', () => {
    const deep = `{"manifests":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`;
    expect(() => parseIndex(Buffer.from(deep))).toThrow(invalid);
  });

  it('of any content gives a document or document_invalid', () => {
    const parsers = [parseIndex, parseManifest, parseConfig];
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...parsers), (json, parse) => {
        try {
          parse(bytesOf(json));
        } catch (error) {
          expect(error).toBeInstanceOf(ImgctlError);
          expect(error).toMatchObject({ code: 'document_invalid' });
        }
      }),
    );
  });
});
