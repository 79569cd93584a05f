import { createHash } from 'node:crypto';
import { ImgctlError } from '../errors.ts';
import { type Digest, digestAlgorithm, digestHex } from '../image/digest.ts';
import type { BlobSource } from '../image/source.ts';

/**
 * Tells, when a node refused a blob's bytes, whether the source or the way there damaged them: only in the second
 * case does sending them again help. Each blob is hashed at most once, however many nodes refuse it.
 */
export class SourceCheck {
  readonly #source: BlobSource;
  readonly #verdicts = new Map<Digest, Promise<boolean>>();

  constructor(source: BlobSource) {
    this.#source = source;
  }

  /** @throws ImgctlError `digest_mismatch` (context `phase: archive`) when the source's bytes are not the blob's */
  async mustBeSound(digest: Digest, cause: unknown, signal?: AbortSignal): Promise<void> {
    let verdict = this.#verdicts.get(digest);
    if (verdict === undefined) {
      verdict = this.#isSound(digest, signal);
      this.#verdicts.set(digest, verdict);
    }
    if (await verdict) return;
    throw new ImgctlError('digest_mismatch', `the archive's bytes of ${digest} do not have that digest`, {
      hint: 'The archive was damaged: copy it again, or save the image again.',
      context: { digest, phase: 'archive' },
      cause,
    });
  }

  async #isSound(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const hash = createHash(digestAlgorithm(digest));
    for await (const chunk of this.#source.read(digest, 0, signal)) hash.update(chunk);
    return hash.digest('hex') === digestHex(digest);
  }
}
