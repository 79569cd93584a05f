import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { ImgctlError } from '../../errors.ts';
import type { AcceptedToken } from '../../trust/token-file.ts';
import { GuessLimit } from './guess-limit.ts';

type Verdict =
  | { readonly kind: 'accepted' | 'missing' | 'wrong' }
  | { readonly kind: 'ended'; readonly at: Date };

/** What a request came over. */
type Connection = Pick<Socket, 'remoteAddress'>;

interface Expected {
  readonly hash: Buffer;
  readonly until: Date | undefined;
}

/** The secrets of a cluster, the current one and the one before for as long as it counts, kept as their hashes. */
export class TokenCheck {
  readonly #guesses: GuessLimit;
  /** Those that showed a right one: whoever guesses from the same address does not break off their transfers. */
  readonly #proven = new WeakSet<Connection>();
  /** Absent where a verified client certificate is enough. */
  #expected: readonly Expected[] | undefined;

  constructor(tokens: readonly AcceptedToken[] | undefined, guesses = new GuessLimit()) {
    this.#guesses = guesses;
    this.accept(tokens);
  }

  /** From now on these, and no others. */
  accept(tokens: readonly AcceptedToken[] | undefined): void {
    this.#expected = tokens?.map(({ token, until }) => ({ hash: hash(token), until }));
  }

  /** @throws ImgctlError `overloaded` when too many wrong ones came from the address of `connection` */
  matches(presented: string | undefined, connection: Connection): boolean {
    return this.#check(presented, connection).kind === 'accepted';
  }

  /** Checks an `Authorization` header (RFC 6750). @throws ImgctlError `node_unauthorized`, `overloaded` */
  requireBearer(header: string | undefined, connection: Connection): void {
    const presented = header === undefined ? undefined : (/^bearer +(\S+) *$/i.exec(header)?.[1] ?? '');
    const verdict = this.#check(presented, connection);
    if (verdict.kind === 'accepted') return;
    const messages = {
      missing: 'this agent wants a token, and the request has none',
      wrong: 'the token is not the one of this agent',
      ended:
        verdict.kind === 'ended' ? `the token was replaced, and ended on ${verdict.at.toISOString()}` : '',
    };
    throw new ImgctlError('node_unauthorized', messages[verdict.kind], {
      hint: 'Send `Authorization: Bearer TOKEN` with the token of the cluster.',
      context: { reason: `token_${verdict.kind}` },
    });
  }

  #check(presented: string | undefined, connection: Connection): Verdict {
    if (this.#expected === undefined) return { kind: 'accepted' };
    if (presented === undefined) return { kind: 'missing' };
    const { remoteAddress } = connection;
    if (!this.#proven.has(connection)) this.#guesses.mayTry(remoteAddress);
    // Hashing both sides makes their lengths equal, so that the comparison tells nothing of either
    const shown = hash(presented);
    const same = this.#expected.filter((expected) => timingSafeEqual(shown, expected.hash));
    const now = Date.now();
    if (same.some(({ until }) => until === undefined || until.getTime() > now)) {
      this.#proven.add(connection);
      return { kind: 'accepted' };
    }
    // Also where a proxy puts the requests of several clients onto one connection
    this.#proven.delete(connection);
    this.#guesses.wrong(remoteAddress);
    const at = same[0]?.until;
    return at === undefined ? { kind: 'wrong' } : { kind: 'ended', at };
  }
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
