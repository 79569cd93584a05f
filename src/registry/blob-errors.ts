import { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { SourceBlob } from '../image/source.ts';

/** What is wrong with the bytes that registries give as a blob. */

export function tooSlow(host: string): ImgctlError {
  return new ImgctlError('registry_unreachable', `${host} gives next to nothing of what it was asked for`, {
    hint: 'It may pass: try again.',
    context: { registry: host, phase: 'pull' },
  });
}

export function mismatch(digest: Digest, hosts: readonly string[]): ImgctlError {
  return new ImgctlError(
    'digest_mismatch',
    `what ${hosts.join(' and ')} gave as ${digest} does not have that digest`,
    {
      hint: 'The registry, or a proxy in between, is damaged or not to be trusted.',
      context: { digest, registry: hosts.join(', '), phase: 'pull' },
    },
  );
}

export function wrongSize(host: string, { digest, size }: SourceBlob): ImgctlError {
  return new ImgctlError('size_mismatch', `${host} does not give the ${size} bytes of ${digest}`, {
    hint: 'The registry, or a proxy in between, is damaged: push the image again.',
    context: { digest, registry: host, phase: 'pull' },
  });
}
