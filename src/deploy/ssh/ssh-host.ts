import { isIPv6 } from 'node:net';
import { ImgctlError } from '../../errors.ts';

/** A host as ssh takes it: `[user@]host`, where the host may be an alias of its configuration. */
export interface SshHost {
  /** What is given to ssh. */
  readonly destination: string;
  /** What reports call it. */
  readonly label: string;
}

const user = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
const host = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/;

/**
 * Hosts apart by commas or white space; one that is there twice counts once. Nothing gets through that ssh would read
 * as an option or a shell as anything but a word. @throws ImgctlError `usage`, naming the entry
 */
export function parseSshHosts(list: string): SshHost[] {
  const entries = new Set(list.split(/[\s,]+/).filter((entry) => entry !== ''));
  if (entries.size === 0) {
    throw new ImgctlError('usage', 'the list of hosts is empty', {
      hint: 'For example --ssh root@10.0.4.17,root@10.0.4.18.',
    });
  }
  return [...entries].map(parseSshHost);
}

function parseSshHost(entry: string): SshHost {
  const at = entry.lastIndexOf('@');
  const name = entry.slice(at + 1);
  const bare = name.replace(/^\[(.*)\]$/, '$1');
  const validHost = isIPv6(bare) || (bare === name && host.test(name));
  if (validHost && (at < 0 || user.test(entry.slice(0, at))))
    return { destination: `${entry.slice(0, at + 1)}${bare}`, label: entry };
  throw new ImgctlError('usage', `not a host for ssh: ${JSON.stringify(entry.slice(0, 300))}`, {
    hint: 'Write [user@]host. Another port is an option of ssh: --ssh-option Port=2222, or stands in ~/.ssh/config.',
  });
}
