import type { ImgctlError } from '../../src/errors.ts';
import type { Digest } from '../../src/image/digest.ts';
import { parseReference } from '../../src/image/reference.ts';
import { type Credential, ownEndpoint, type RegistryEndpoint } from '../../src/image/registry-endpoint.ts';
import type { BlobSource } from '../../src/image/source.ts';
import {
  openRegistryImages,
  type RegistryImages,
  type RegistryImagesOptions,
} from '../../src/registry/registry.ts';

export interface PullSettings extends Partial<RegistryImagesOptions> {
  /** By default the registry's own. */
  readonly endpoints?: readonly RegistryEndpoint[];
  readonly tls?: RegistryEndpoint['tls'];
  readonly scheme?: 'http' | 'https';
  readonly credentials?: readonly Credential[];
  readonly proxyOf?: (url: URL) => string | undefined;
}

/** Looks references up without waiting long between attempts. */
export function pull(
  refs: readonly string[],
  { endpoints, tls, scheme, credentials = [], proxyOf, ...options }: PullSettings = {},
): Promise<RegistryImages> {
  return openRegistryImages(
    refs.map(parseReference),
    {
      endpointsOf: async (reference) => {
        const own = ownEndpoint(reference);
        const url = scheme === undefined ? own.url : own.url.replace(/^https?/, scheme);
        return endpoints ?? [{ ...own, url, tls }];
      },
      credentialsOf: async () => credentials,
      proxyOf,
      patience: { attempts: 4, firstDelayMs: 5, longestDelayMs: 2_000 },
    },
    { platforms: [], ...options },
  );
}

/** All that a person or a program is told of what failed. */
export function toldOf(errors: readonly ImgctlError[]): string {
  return JSON.stringify(
    errors.map(({ message, hint, context, cause }) => [message, hint, context, `${cause}`]),
  );
}

export async function readAll(source: BlobSource, digest: Digest, offset = 0): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source.read(digest, offset)));
}
