import { hasCode, ImgctlError } from '../errors.ts';

/** What images come from: what one lacks is mended in another way in each. */
export type KeptIn = 'archive' | 'registry' | 'nodes';

/** What helps where an image lacks a platform. `available`: those that it has. */
export function platformHint(
  wanted: string,
  available: readonly string[],
  keptIn: KeptIn = 'archive',
): string {
  const [first] = available;
  const { mend, take } = ways[keptIn];
  return first === undefined
    ? `${mend('the platform of the nodes')}.`
    : `${mend(wanted)}, or ${take} what is there with --platform ${first}.`;
}

/** The error as it is, but for a platform that is missing: whoever found that out knows only what the image has. */
export function withPlatformHint(error: ImgctlError, keptIn: KeptIn | undefined): ImgctlError {
  const { wanted, available } = error.context;
  if (!hasCode(error, 'platform_missing') || typeof wanted !== 'string' || !Array.isArray(available))
    return error;
  const { code, message, context, cause } = error;
  return new ImgctlError(code, message, { hint: platformHint(wanted, available, keptIn), context, cause });
}

const ways: Readonly<Record<KeptIn, { readonly mend: (platform: string) => string; readonly take: string }>> =
  {
    archive: { mend: (platform) => `Save the image for ${platform}`, take: 'import' },
    registry: { mend: (platform) => `Build and push the image for ${platform} too`, take: 'pull' },
    nodes: { mend: (platform) => `Import or pull the image for ${platform} first`, take: 'copy' },
  };
