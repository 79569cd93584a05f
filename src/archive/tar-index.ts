import { posix } from 'node:path';
import { ImgctlError } from '../errors.ts';
import { unreadable } from './archive-errors.ts';
import type { TarEntry } from './tar-parser.ts';

/** A whole file within an archive. */
export interface ArchiveFile {
  readonly name: string;
  /** Where its bytes begin, from the start of the (uncompressed) tar. */
  readonly position: number;
  readonly size: number;
}

type Member = ArchiveFile | { readonly link: string };

/** Far more than any archive of images has; a bound on memory. */
const maxEntries = 1_000_000;
const maxNameBytes = 128 * 1024 * 1024;
const maxLinks = 40;

/** The files of a tar by name. Of members with the same name the last wins, as when tar extracts. */
export class TarIndex {
  readonly #label: string;
  readonly #members = new Map<string, Member>();
  readonly #twice = new Set<string>();
  #entries = 0;
  #nameBytes = 0;

  constructor(label: string) {
    this.#label = label;
  }

  /** @throws ImgctlError `archive_too_large` */
  add({ name, kind, position, size, linkName }: TarEntry): void {
    this.#entries += 1;
    this.#nameBytes += name.length + linkName.length;
    if (this.#entries > maxEntries || this.#nameBytes > maxNameBytes) {
      throw new ImgctlError('archive_too_large', `${this.#label} holds more than ${maxEntries} files`, {
        hint: 'An archive of images holds a few files per layer: this is something else.',
        context: { path: this.#label },
      });
    }
    const key = normalize(name);
    if (this.#members.has(key)) this.#twice.add(key);
    if (kind === 'file') this.#members.set(key, { name: key, position, size });
    // A hard link is relative to the top of the archive, a symbolic link to where it stands
    else if (kind === 'link') this.#members.set(key, { link: linkName.replace(/^\/+/, '') });
    else if (kind === 'symlink') this.#members.set(key, { link: symlinkTarget(key, linkName) });
    else this.#members.delete(key);
  }

  names(): Iterable<string> {
    return this.#members.keys();
  }

  /** Names of files and links that came again, as whatever. */
  twice(): ReadonlySet<string> {
    return this.#twice;
  }

  /**
   * The file of that name, links followed; undefined where there is no such member.
   * @throws ImgctlError `archive_incomplete` for a link to nowhere, `archive_unreadable` for one out of the archive or in a circle
   */
  find(name: string): ArchiveFile | undefined {
    const start = normalize(name);
    let key = start;
    for (let links = 0; links <= maxLinks; links++) {
      const member = this.#members.get(key);
      if (member === undefined) {
        if (links === 0) return undefined;
        throw new ImgctlError(
          'archive_incomplete',
          `${this.#label}: ${start} is a link to ${key}, which is not in it`,
          {
            hint: 'Pack the archive again with all of its files, or save the image again.',
            context: { path: this.#label },
          },
        );
      }
      if (!('link' in member)) return member;
      if (posix.isAbsolute(member.link) || escapes(member.link)) {
        throw unreadable(this.#label, `${start} is a link out of the archive, to ${member.link}`, {
          hint: 'Pack the archive again with the file itself (tar --dereference), or save the image again.',
        });
      }
      key = normalize(posix.normalize(member.link));
    }
    throw unreadable(this.#label, `${start} is a link that leads back to itself`);
  }
}

/** `./a//b` is `a/b`. What climbs with `..` keeps it and so matches no name that is ever asked for. */
export function normalize(name: string): string {
  if (!/(?:^|\/)(?:\.{0,2})(?:\/|$)/.test(name)) return name;
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function symlinkTarget(name: string, target: string): string {
  return posix.isAbsolute(target) ? target : posix.join(posix.dirname(name), target);
}

function escapes(path: string): boolean {
  const clean = posix.normalize(path);
  return clean === '..' || clean.startsWith('../');
}
