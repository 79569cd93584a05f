import { ImgctlError } from '../errors.ts';

/** The ways of finding nodes that can be asked for by name, with `--discover` and what stands for it. */
export type Discover =
  | { readonly kind: 'kubernetes' }
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'local' };

export const discoverForms = 'kubernetes, dns:NAME or local';

const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** @throws ImgctlError `usage` */
export function parseDiscover(text: string): Discover {
  if (text === 'kubernetes' || text === 'local') return { kind: text };
  const name = /^dns:(.*?)\.?$/.exec(text)?.[1];
  if (name !== undefined && name.length <= 253 && name.split('.').every((part) => label.test(part)))
    return { kind: 'dns', name };
  throw new ImgctlError('usage', `not a way of finding nodes: ${JSON.stringify(text.slice(0, 300))}`, {
    hint: `Write ${discoverForms}, for example dns:agents.example.`,
  });
}

/** For the option: the same text, once it is known to be one. @throws ImgctlError `usage` */
export function checkDiscover(text: string): string {
  parseDiscover(text);
  return text;
}
