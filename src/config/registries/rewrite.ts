import { RE2JS } from 're2js';
import { ImgctlError } from '../../errors.ts';
import { formatReference, isReference, type Reference } from '../../image/reference.ts';

/** What a mirror calls a repository: a regular expression of Go, and what stands in place of what it matches. */
export interface Rewrite {
  readonly pattern: string;
  readonly replacement: string;
}

/** The first rewrite that changes the name counts, as in K3s's containerd. @throws Error for what is no expression */
export function rewritten(repository: string, rewrites: readonly Rewrite[]): string {
  for (const rewrite of rewrites) {
    const name = replaceAll(repository, rewrite);
    if (name !== repository) return name;
  }
  return repository;
}

/** What a mirror calls the repository of an image. @throws ImgctlError `config_invalid`: what a rewrite makes is none */
export function rewrittenName(reference: Reference, rewrites: readonly Rewrite[], path: string): string {
  const repository = rewritten(reference.repository, rewrites);
  // Whose it is does not matter: a server may have a name that no image has
  if (isReference(`mirror.invalid/${repository}:x`)) return repository;
  throw new ImgctlError(
    'config_invalid',
    `${path}: a rewrite makes ${JSON.stringify(repository.slice(0, 200))} of ${reference.repository}, which is no repository`,
    { hint: 'Correct the rewrite.', context: { path, image: formatReference(reference) } },
  );
}

/** As Go's `Regexp.ReplaceAllString`: matches from left to right, no empty one right behind another. */
function replaceAll(text: string, { pattern, replacement }: Rewrite): string {
  const matcher = RE2JS.compile(pattern).matcher(text);
  let result = '';
  let end = 0;
  let last = -1;
  while (matcher.find()) {
    const [start, stop] = [matcher.start(), matcher.end()];
    if (start === stop && start === last) continue;
    const group = (name: string | number) => groupOf(matcher, name);
    result += text.slice(end, start) + expanded(replacement, group);
    end = last = stop;
  }
  return result + text.slice(end);
}

/** `$1`, `${name}`, `$$`; `$1x` is the group `1x`, which is there no more often than in Go. */
function expanded(template: string, group: (name: string | number) => string): string {
  return template.replace(
    /\$(?:(\$)|(\w+)|\{(\w+)\})/g,
    (_, dollar: string | undefined, bare: string | undefined, braced: string | undefined) => {
      if (dollar !== undefined) return '$';
      const name = bare ?? braced ?? '';
      return group(/^\d+$/.test(name) ? Number(name) : name);
    },
  );
}

function groupOf(matcher: ReturnType<RE2JS['matcher']>, name: string | number): string {
  try {
    return matcher.group(name as number) ?? '';
  } catch {
    // A group that the expression does not have is empty
    return '';
  }
}
