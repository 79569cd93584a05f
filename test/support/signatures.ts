import type { Descriptor } from '../../src/image/descriptor.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import { blobOf, type TestImage } from './archives.ts';

/** What cosign keeps beside an image: a manifest with a payload for a layer. `subject`: as OCI 1.1 refers to it. */
export function cosignSignature(payload: object, subject?: Descriptor): TestImage {
  const layer = blobOf('application/vnd.dev.cosign.simplesigning.v1+json', payload);
  const config = blobOf(mediaTypes.ociConfig, {
    architecture: '',
    os: '',
    rootfs: { type: 'layers', diff_ids: [layer.descriptor.digest] },
  });
  const signature = { 'dev.cosignproject.cosign/signature': 'MEUCIQ==' };
  const manifest = blobOf(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [{ ...layer.descriptor, annotations: signature }],
    ...(subject === undefined ? {} : { subject }),
  });
  return { target: manifest.descriptor, blobs: [manifest, config, layer] };
}

/** An artifact of OCI 1.1, with an empty config. */
export function artifact(payload: object, subject: Descriptor): TestImage {
  const layer = blobOf('application/vnd.example.sbom+json', payload);
  const config = blobOf('application/vnd.oci.empty.v1+json', {});
  const manifest = blobOf(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: 'application/vnd.example.sbom',
    config: config.descriptor,
    layers: [layer.descriptor],
    subject,
  });
  return { target: manifest.descriptor, blobs: [manifest, config, layer] };
}
