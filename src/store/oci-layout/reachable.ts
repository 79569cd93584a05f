import { type Digest, isDigest } from '../../image/digest.ts';
import { maxDocumentBytes } from '../../image/documents.ts';
import { isImageConfigType } from '../../image/media-types.ts';
import type { BlobFiles } from './blob-files.ts';

export interface Node {
  readonly digest: Digest;
  /** Empty where it is unknown. */
  readonly mediaType: string;
}

/**
 * What content leads to what. Any JSON document's every digest counts, whatever the field: other tools put things into
 * a layout that we know nothing of, and to keep too much is better than to break their images.
 */
export class Reachable {
  readonly #blobs: BlobFiles;
  /** Content never changes: what was read once need not be read again. */
  readonly #children = new Map<Digest, readonly Node[]>();

  constructor(blobs: BlobFiles) {
    this.#blobs = blobs;
  }

  /** `roots` and everything below them, here or not, with the media type that each is known by. */
  async from(roots: Iterable<Node>): Promise<Map<Digest, string>> {
    const reached = new Map<Digest, string>();
    const waiting = [...roots];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      const { digest, mediaType } = node;
      const before = reached.get(digest);
      // Once more only where another media type says that it may lead on
      if (before !== undefined && (mayLeadOn(before) || !mayLeadOn(mediaType))) continue;
      reached.set(digest, mediaType);
      if (mayLeadOn(mediaType)) for (const child of await this.#childrenOf(digest)) waiting.push(child);
    }
    return reached;
  }

  forget(digest: Digest): void {
    this.#children.delete(digest);
  }

  async #childrenOf(digest: Digest): Promise<readonly Node[]> {
    const known = this.#children.get(digest);
    if (known !== undefined) return known;
    const size = await this.#blobs.sizeOf(digest);
    // Not remembered: it may come yet
    if (size === undefined) return [];
    const children = size > maxDocumentBytes ? [] : nodesIn(await this.#textOf(digest));
    this.#children.set(digest, children);
    return children;
  }

  async #textOf(digest: Digest): Promise<string> {
    return Buffer.concat(await Array.fromAsync(this.#blobs.read(digest))).toString('utf8');
  }
}

function mayLeadOn(mediaType: string): boolean {
  return (mediaType === '' || mediaType.endsWith('json')) && !isImageConfigType(mediaType);
}

function nodesIn(text: string): Node[] {
  const nodes: Node[] = [];
  // Not recursive: a document may be nested deeper than the stack
  const waiting: unknown[] = [parsed(text)];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value !== 'object' || value === null) continue;
    if ('digest' in value && isDigest(value.digest)) {
      const type = 'mediaType' in value ? value.mediaType : '';
      nodes.push({ digest: value.digest, mediaType: typeof type === 'string' ? type : '' });
    }
    for (const inner of Object.values(value)) waiting.push(inner);
  }
  return nodes;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
