import * as z from 'zod';
import type { Credential } from '../../image/registry-endpoint.ts';
import { runPlugin } from '../../streams/run-plugin.ts';

/** Docker's credential helpers: `docker-credential-NAME get` reads a server's address, and prints who one is there. */

export interface HelperOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told why there is no answer. */
  onFailure(why: string): void;
}

const answerSchema = z.object({ Username: z.string(), Secret: z.string().min(1) });

/** Undefined where it knows none, or does not work. Its words are passed on to nobody: they may be secrets. */
export async function askHelper(
  name: string,
  server: string,
  { env, timeoutMs = 30_000, signal, onFailure }: HelperOptions,
): Promise<Credential | undefined> {
  // The name becomes part of a program's: not of a path
  if (!/^[\w.-]{1,64}$/.test(name)) {
    onFailure(`${JSON.stringify(name.slice(0, 64))} is no name of a credential helper`);
    return undefined;
  }
  const file = `docker-credential-${name}`;
  const input = `${server}\n`;
  const { failure, stdout } = await runPlugin({
    file,
    args: ['get'],
    env: { ...env },
    input,
    timeoutMs,
    signal,
  });
  if (failure !== undefined) {
    if (!/credentials not found/i.test(stdout)) onFailure(`${file}: ${failure}`);
    return undefined;
  }
  const answer = answerSchema.safeParse(parseJson(stdout));
  if (!answer.success) {
    onFailure(`${file}: what it printed is no credential`);
    return undefined;
  }
  const { Username: username, Secret: secret } = answer.data;
  return username === '<token>'
    ? { kind: 'identity', token: secret }
    : { kind: 'password', username, password: secret };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
