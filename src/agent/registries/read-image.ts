import type { RegistryImage, RegistryImageRequest } from '../../agent-api/registry-image.ts';
import { maxJsonBytes } from '../../agent-api/routes.ts';
import { ImgctlError } from '../../errors.ts';
import { parsePlatform } from '../../image/platform.ts';
import type { PlatformChoice } from '../../image/platform-choice.ts';
import { parseReference } from '../../image/reference.ts';
import { openRegistryImages } from '../../registry/registry.ts';
import type { RegistryClients } from '../../registry/registry-clients.ts';

/**
 * What an image is at its registry: its documents, and what else there is of it.
 * @throws ImgctlError those of registries; `document_too_large` where an answer cannot hold it
 */
export async function readRegistryImage(
  { reference, platforms }: RegistryImageRequest,
  clients: RegistryClients,
  signal: AbortSignal,
): Promise<RegistryImage> {
  const choices = platforms.map(
    (choice): PlatformChoice =>
      choice.kind === 'all' ? choice : { kind: choice.kind, platforms: choice.platforms.map(parsePlatform) },
  );
  await using source = await openRegistryImages([parseReference(reference)], clients, {
    platforms: choices,
    signal,
  });
  const [image] = source.images;
  if (image === undefined) throw source.failed[0] ?? new ImgctlError('internal', 'a registry said nothing');
  const { documents, blobs } = source;
  const length = documents.reduce((sum, { bytes }) => sum + (bytes.byteLength * 4) / 3, 0);
  if (length > maxJsonBytes / 2) throw tooLarge(reference);
  return {
    target: image.target,
    documents: documents.map(({ descriptor, bytes }) => ({
      descriptor,
      data: Buffer.from(bytes).toString('base64'),
    })),
    blobs: [...blobs],
  };
}

function tooLarge(image: string): ImgctlError {
  return new ImgctlError('document_too_large', `the documents of ${image} are too large for one answer`, {
    hint: 'Ask for fewer platforms (--platform), or pull it from here: --via command.',
    context: { image },
  });
}
