import { createHash, timingSafeEqual } from 'node:crypto';
import { ImgctlError } from '../../errors.ts';

/** The one secret of a cluster, kept as its hash. */
export class TokenCheck {
  readonly #expected: Buffer;

  constructor(token: string) {
    this.#expected = hash(token);
  }

  /** Hashing both sides makes their lengths equal, so that the comparison tells nothing of either. */
  matches(presented: string | undefined): boolean {
    return timingSafeEqual(hash(presented ?? ''), this.#expected) && presented !== undefined;
  }

  /** Checks an `Authorization` header (RFC 6750). @throws ImgctlError `node_unauthorized` */
  requireBearer(header: string | undefined): void {
    const presented = header === undefined ? undefined : /^bearer +(\S+) *$/i.exec(header)?.[1];
    if (this.matches(presented)) return;
    throw new ImgctlError(
      'node_unauthorized',
      header === undefined
        ? 'this agent wants a token, and the request has none'
        : 'the token is not the one of this agent',
      {
        hint: "Send `Authorization: Bearer TOKEN`; the token is in the file `token` of the agent's data directory.",
      },
    );
  }
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
