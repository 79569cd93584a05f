import { resolve } from 'node:path';
import { defaultDataDir, tokenFileIn } from '../trust/token-file.ts';
import { TokenCheck } from './http/auth.ts';
import type { Log } from './log.ts';
import type { TlsFiles, TlsIdentity } from './tls/identity.ts';
import { openIdentity } from './tls/live-identity.ts';
import { openTokens } from './token.ts';

/** What the agent shows and whom it lets in, as it stands in its files while it runs. */
export interface LiveTrust extends Disposable {
  /** Undefined: it speaks plain HTTP. */
  readonly identity: TlsIdentity | undefined;
  readonly token: TokenCheck;
  /** What it shows to its peers: the current one. Absent where its certificate is enough. */
  readonly shownToken: string | undefined;
  /** Absent where a client certificate is enough. */
  readonly tokenFile: string | undefined;
}

interface TrustSettings {
  readonly tls: TlsFiles | undefined;
  readonly tokenFile?: string | undefined;
  readonly dataDir?: string | undefined;
}

interface TrustOptions {
  readonly log: Log;
  readonly everyMs: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told of a new certificate. */
  readonly onIdentity: (identity: TlsIdentity) => void;
}

/** @throws ImgctlError `token_missing`, `certificate_invalid` */
export async function openLiveTrust(
  { tls, tokenFile: named, dataDir }: TrustSettings,
  { log, everyMs, env, onIdentity }: TrustOptions,
): Promise<LiveTrust> {
  using opened = new DisposableStack();
  const identity =
    tls && opened.use(await openIdentity(tls, { log, everyMs, onChange: (now) => onIdentity(now) }));
  const own = tokenFileIn(resolve(dataDir ?? defaultDataDir(env)));
  const token = new TokenCheck(undefined);
  // A verified client certificate is enough, unless a token was asked for too
  const wantsToken = tls?.clientCa === undefined || named !== undefined;
  const onChange = token.accept.bind(token);
  const tokens = wantsToken
    ? opened.use(await openTokens({ named, own }, { log, everyMs, onChange }))
    : undefined;
  token.accept(tokens?.current);
  const live = opened.move();
  return {
    get identity() {
      return identity?.current;
    },
    token,
    get shownToken() {
      return tokens?.current[0]?.token;
    },
    tokenFile: wantsToken ? (named ?? own) : undefined,
    [Symbol.dispose]: () => live.dispose(),
  };
}
