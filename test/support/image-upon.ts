import { mediaTypes } from '../../src/image/media-types.ts';
import { blobOf, randomImage, type SingleImage } from './archives.ts';

/** Another image that has all layers of `base`, and one more. */
export async function imageUpon(base: SingleImage, seed: string): Promise<SingleImage> {
  const own = await randomImage({ seed, layers: 1 });
  const layers = [...base.layers, ...own.layers];
  const diffIds = ({ config }: SingleImage) => JSON.parse(config.bytes.toString()).rootfs.diff_ids;
  const config = blobOf(mediaTypes.ociConfig, {
    ...base.platform,
    config: {},
    rootfs: { type: 'layers', diff_ids: [...diffIds(base), ...diffIds(own)] },
  });
  const manifest = blobOf(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  const blobs = [manifest, config, ...layers];
  const layerTars = [...base.layerTars, ...own.layerTars];
  return { ...base, target: manifest.descriptor, blobs, config, manifest, layers, layerTars };
}
