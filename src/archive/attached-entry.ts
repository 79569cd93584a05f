import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, isDigest } from '../image/digest.ts';

/**
 * What stands beside images in an archive's index: signatures, attestations, SBOMs. Other tools take whatever an index names
 * for an image, and containerd's own stops at one that it cannot unpack. So in a bundle the tag of a signature has a key of
 * its own.
 */

const tagKey = 'dev.imgctl.bundle.tag';
const imageKeys = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
/** As cosign and the fallback of OCI 1.1 have it, in the image's own repository. */
const tagPattern = /(?:^|:)sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?$/;

/** The tag of what is no image, with or without its repository; undefined where an entry has none. */
export function attachedTag({ annotations = {} }: Descriptor): string | undefined {
  return [tagKey, ...imageKeys]
    .flatMap((key) => annotations[key] ?? [])
    .find((name) => tagPattern.test(name));
}

/** What its tag, or BuildKit's annotation, says that it is about; undefined where they say nothing. */
export function attachedSubject(entry: Descriptor): Digest | undefined {
  const [, hex] = tagPattern.exec(attachedTag(entry) ?? '') ?? [];
  const told = hex === undefined ? entry.annotations?.['vnd.docker.reference.digest'] : `sha256:${hex}`;
  return isDigest(told) ? told : undefined;
}

/** As it goes into a bundle: with no name that an image could have. */
export function attachedEntry(entry: Descriptor): Descriptor {
  const { annotations, ...rest } = entry;
  const tag = attachedTag(entry);
  const kept = Object.entries(annotations ?? {}).filter(
    ([key]) => key !== tagKey && !imageKeys.includes(key),
  );
  const own = [...kept, ...(tag === undefined ? [] : [[tagKey, tag] as const])];
  return own.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(own) };
}
