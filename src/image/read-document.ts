import { ImgctlError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { digestAlgorithm, digestOf } from './digest.ts';
import { maxDocumentBytes } from './documents.ts';
import type { BlobSource } from './source.ts';

/**
 * One small document of a source, whole and verified against its descriptor.
 * @throws ImgctlError `document_too_large`, `digest_mismatch`, `size_mismatch`, and those of `BlobSource.read`
 */
export async function readDocument(
  source: BlobSource,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > maxDocumentBytes) throw tooLarge(descriptor, size);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source.read(digest, 0, signal)) {
    length += chunk.byteLength;
    if (length > maxDocumentBytes) throw tooLarge(descriptor, length);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks, length);
  if (length !== size) {
    throw new ImgctlError('size_mismatch', `${digest} has ${length} bytes, its descriptor says ${size}`, {
      hint: 'The archive was damaged: save the image again.',
      context: { digest },
    });
  }
  const actual = digestOf(bytes, digestAlgorithm(digest));
  if (actual !== digest) {
    throw new ImgctlError('digest_mismatch', `the bytes of ${digest} have the digest ${actual}`, {
      hint: 'The archive was damaged: copy or save it again.',
      context: { digest },
    });
  }
  return bytes;
}

function tooLarge({ digest }: Descriptor, size: number): ImgctlError {
  return new ImgctlError(
    'document_too_large',
    `${digest} is said to be an index, manifest or config and has ${size} bytes`,
    {
      hint: `Documents of up to ${maxDocumentBytes} bytes are read; no image tool writes larger ones.`,
      context: { digest },
    },
  );
}
