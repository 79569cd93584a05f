import type { OutputStream } from './streams.ts';

/** What the user and the environment say about how output may look. */
export interface Appearance {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--no-color` makes it false. */
  readonly color?: boolean | undefined;
  /** `--no-progress` makes it false. */
  readonly progress?: boolean | undefined;
}

/** Whether progress may move the cursor: a terminal that can, with a person in front of it. */
export function isLive(stream: OutputStream, { env, progress }: Appearance): boolean {
  return stream.isTTY === true && progress !== false && !isDumb(env) && !isContinuousIntegration(env);
}

/** https://no-color.org and https://force-color.org; what was typed beats the environment. */
export function isColored(stream: OutputStream, { env, color }: Appearance): boolean {
  if (color === false || env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  return stream.isTTY === true && !isDumb(env);
}

/** Whether more than ASCII can be drawn: not on the console of Linux, nor where the locale says otherwise. */
export function hasUnicode({ env }: Appearance): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG;
  return env.TERM !== 'linux' && (locale === undefined || /utf-?8/i.test(locale));
}

function isDumb(env: Appearance['env']): boolean {
  return env.TERM === 'dumb';
}

function isContinuousIntegration(env: Appearance['env']): boolean {
  return env.CI !== undefined && env.CI !== '' && env.CI !== 'false' && env.CI !== '0';
}
