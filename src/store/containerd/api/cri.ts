import { boolean, nested, repeated, string, strings } from '../grpc/fields.ts';
import { Empty, type MessageOf, message } from '../grpc/message.ts';
import { service } from '../grpc/method.ts';

/** runtime.v1.ImageService: what the kubelet sees. Served on the same socket where the CRI plugin is on. */

const Image = message({
  /** The digest of the image's config. */
  id: string(1),
  repoTags: strings(2),
  repoDigests: strings(3),
  pinned: boolean(8),
});
export type CriImage = MessageOf<typeof Image>;

const ImageSpec = message({ image: string(1) });
const Filesystem = message({ id: nested(2, message({ mountpoint: string(1) })) });

const method = service('runtime.v1.ImageService');

export const cri = {
  imageStatus: method(
    'ImageStatus',
    message({ image: nested(1, ImageSpec) }),
    message({ image: nested(1, Image) }),
  ),
  pullImage: method(
    'PullImage',
    message({ image: nested(1, ImageSpec) }),
    /** The digest of the image's config, or a name. */
    message({ imageRef: string(1) }),
  ),
  imageFsInfo: method('ImageFsInfo', Empty, message({ imageFilesystems: repeated(1, Filesystem) })),
};
