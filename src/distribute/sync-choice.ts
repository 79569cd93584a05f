import type { NodeImage } from '../agent-api/schemas.ts';
import { ImgctlError } from '../errors.ts';
import { type Digest, shortDigest } from '../image/digest.ts';

/** What a node that may give images has. */
export interface Holder {
  readonly node: string;
  readonly images: readonly NodeImage[];
}

/** An image that all should have, and who has it. */
export interface ChosenImage {
  readonly name: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** Of the document that the name stands for, in bytes. */
  readonly size: number;
  /** Whether a node that has it keeps it through the kubelet's garbage collection. */
  readonly pinned: boolean;
  readonly holders: readonly string[];
}

export interface SyncChoice {
  readonly images: readonly ChosenImage[];
  /** Of names that mean different images on different nodes. */
  readonly refused: readonly ImgctlError[];
}

/**
 * Which images all nodes should have: those of these names, normalised, or all that some node has. A name that means
 * different images is nobody's to decide but the user's: it is refused, and the others go on.
 * @throws ImgctlError `image_unknown`, `node_protocol`
 */
export function chooseImages(holders: readonly Holder[], names: readonly string[]): SyncChoice {
  const having = Map.groupBy(
    holders.flatMap(({ node, images }) => images.map((image) => ({ node, image }))),
    ({ image }) => image.name,
  );
  const unknown = names.filter((name) => !having.has(name));
  if (unknown.length > 0) throw unknownImages(unknown);
  const images: ChosenImage[] = [];
  const refused: ImgctlError[] = [];
  for (const name of names.length > 0 ? new Set(names) : [...having.keys()].sort()) {
    const found = having.get(name) ?? [];
    const [first] = found;
    if (first === undefined) continue;
    if (found.some(({ image }) => image.digest !== first.image.digest)) {
      refused.push(disagreement(name, found));
      continue;
    }
    const { digest, mediaType, targetSize } = first.image;
    if (targetSize === undefined) throw tooOld(first.node);
    images.push({
      name,
      digest,
      mediaType,
      size: targetSize,
      pinned: found.some(({ image }) => image.pinned),
      holders: found.map(({ node }) => node),
    });
  }
  return { images, refused };
}

function unknownImages(names: readonly string[]): ImgctlError {
  return new ImgctlError('image_unknown', `no node has an image ${names.join(', nor ')}`, {
    hint: 'See the names that there are with imgctl images list.',
    context: { image: names[0] ?? '' },
  });
}

function disagreement(
  name: string,
  found: readonly { readonly node: string; readonly image: NodeImage }[],
): ImgctlError {
  const byDigest = Map.groupBy(found, ({ image }) => image.digest);
  const who = [...byDigest].map(
    ([digest, of]) => `${shortDigest(digest)} on ${of.map(({ node }) => node).join(', ')}`,
  );
  return new ImgctlError('image_conflict', `${name} is not the same on all nodes: ${who.join('; ')}`, {
    hint: `Say whose is meant: imgctl images sync ${name} --from NODE.`,
    context: { image: name, nodes: found.map(({ node }) => node), digests: [...byDigest.keys()] },
  });
}

function tooOld(node: string): ImgctlError {
  return new ImgctlError('node_protocol', `the agent on ${node} does not say how large its images are`, {
    hint: 'Install the same version of imgctl on all nodes.',
    context: { node },
  });
}
