import { isIP } from 'node:net';
import { ImgctlError, printable } from '../errors.ts';

/** What a node is called and addressed by, for a certificate of its own. The first names its files. */
export type HostNames = readonly [string, ...string[]];

/** `worker-1,10.0.4.17`. @throws ImgctlError `usage` */
export function parseHostNames(text: string): HostNames {
  const [first, ...others] = text.split(',').map((name) => parseName(name.trim()));
  return [first ?? '', ...others];
}

function parseName(name: string): string {
  const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
  const isHostName = name.length <= 253 && new RegExp(`^${label}(?:\\.${label})*$`, 'i').test(name);
  // What looks like an address and is none would be a name that nothing resolves
  if (isIP(name) !== 0 ? !name.includes('%') : isHostName && !/^[\d.]+$/.test(name)) return name;
  throw new ImgctlError('usage', `not a host: ${JSON.stringify(name)}`, {
    hint: 'Write names and addresses of one host, apart by commas, as in worker-1,10.0.4.17.',
  });
}

/** Who a command is, as the agents' logs tell it. @throws ImgctlError `usage` */
export function parseClientName(text: string): string {
  // What a certificate has room for (RFC 5280, ub-common-name)
  if (text.trim() !== '' && text.length <= 64 && text === printable(text)) return text;
  throw new ImgctlError('usage', `not a name for a client: ${JSON.stringify(text.slice(0, 200))}`, {
    hint: 'Write up to 64 printable characters, for example --client ci.',
  });
}
