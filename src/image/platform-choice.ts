import { ImgctlError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';
import type { ImageConfig, Manifest } from './documents.ts';
import { isImageConfigType } from './media-types.ts';
import { formatPlatform, type Platform, platformDistance } from './platform.ts';
import { platformHint } from './platform-hint.ts';

/**
 * Which platforms of an image are wanted: what these hosts run (for each the one manifest that suits it best),
 * exactly those that are named, or all that are at hand.
 */
export type PlatformChoice =
  | { readonly kind: 'hosts'; readonly platforms: readonly Platform[] }
  | { readonly kind: 'named'; readonly platforms: readonly Platform[] }
  | { readonly kind: 'all' };

/** A manifest that the walk met, with what is known of its platform. */
export interface Candidate {
  readonly descriptor: Descriptor;
  readonly platform: Platform | undefined;
  /** Absent where the manifest is not at hand. */
  readonly manifest: Manifest | undefined;
  readonly config: ImageConfig | undefined;
  /** Signatures and attestations: carried along, never a platform. */
  readonly attachment: boolean;
  /** Digests of the indexes that lead to it, outermost first. */
  readonly path: readonly Digest[];
}

/** No image has more platforms, and no error tells of more. */
const maxTold = 50;

/**
 * @throws ImgctlError `platform_missing`, its context `wanted`, `available` (those that are at hand) and `listed` (those
 *   that are known of)
 */
export function choosePlatforms(
  target: Descriptor,
  candidates: readonly Candidate[],
  choice: PlatformChoice,
  stillUnread: boolean,
): Candidate[] {
  const images = candidates.filter(({ attachment }) => !attachment);
  if (choice.kind === 'all') {
    const present = candidates.filter(({ manifest }) => manifest !== undefined);
    const images = present.filter(({ attachment }) => !attachment);
    if (images.length > 0 || stillUnread) return present;
    throw missing(target, candidates, 'any platform');
  }
  const unplaced = images.filter(({ platform }) => platform === undefined);
  // Their manifest or their config, which is still to come, will tell
  const untold = unplaced.filter(isUntold);
  // Charts and signatures suit everybody; but where there are images, they do not stand in for one
  const platformless = unplaced.length === images.length ? unplaced.filter((one) => !isUntold(one)) : [];
  const chosen = new Set<Candidate>();
  for (const platform of choice.platforms) {
    const best = bestFor(platform, images, choice.kind === 'named');
    if (best !== undefined) chosen.add(best);
    else if (choice.kind === 'named') {
      if (untold.length + platformless.length === 0 && !stillUnread)
        throw missing(target, images, formatPlatform(platform));
      for (const candidate of untold) chosen.add(candidate);
    }
  }
  // A host runs several (arm64 also arm): its first, its own, is the one that counts; another serves where it is absent
  if (choice.kind === 'hosts' && chosen.size > 1) return [...chosen].slice(0, 1);
  const suitable = [[...chosen], untold, platformless].find(({ length }) => length > 0);
  if (suitable !== undefined) return suitable;
  if (stillUnread) return [];
  throw missing(target, images, choice.platforms.map(formatPlatform).join(' or '));
}

/** Whether its platform may be learned from a document that is not at hand. */
function isUntold({ manifest, config }: Candidate): boolean {
  return manifest === undefined || (config === undefined && isImageConfigType(manifest.config.mediaType));
}

function bestFor(wanted: Platform, candidates: readonly Candidate[], exact: boolean): Candidate | undefined {
  let best: { candidate: Candidate; distance: number; present: boolean } | undefined;
  for (const candidate of candidates) {
    if (candidate.platform === undefined) continue;
    const distance = platformDistance(wanted, candidate.platform);
    if (distance === undefined || (exact && distance >= 100)) continue;
    const present = candidate.manifest !== undefined;
    // One that is at hand beats a closer one that was not saved
    const better = best === undefined || (present === best.present ? distance < best.distance : present);
    if (better) best = { candidate, distance, present };
  }
  return best?.candidate;
}

function missing(target: Descriptor, candidates: readonly Candidate[], wanted: string): ImgctlError {
  const available = platformsOf(candidates.filter(({ manifest }) => manifest !== undefined));
  const has = available.length === 0 ? 'no platform at all' : available.join(', ');
  return new ImgctlError('platform_missing', `the image has no ${wanted}; it has ${has}`, {
    hint: platformHint(wanted, available),
    context: { digest: target.digest, wanted, available, listed: platformsOf(candidates) },
  });
}

function platformsOf(candidates: readonly Candidate[]): string[] {
  const all = candidates.flatMap(({ platform, attachment }) =>
    platform && !attachment ? [formatPlatform(platform)] : [],
  );
  return [...new Set(all)].slice(0, maxTold);
}
