import type { BigIntStats } from 'node:fs';
import type { FileKind } from './file-kinds.ts';

/** A file of the images directory as it stood when it was last looked at. */
export interface FoundFile {
  /** Absolute. Of a name that is no UTF-8 the bytes that are none stand as `\xNN`. */
  readonly path: string;
  /** The same as the file system has it. */
  readonly at: string | Buffer;
  readonly kind: FileKind;
  readonly identity: FileIdentity;
  /** Which file it is on this machine, by whatever name. */
  readonly inode: string;
}

/** Two file systems may have an inode of the same number. */
export function inodeOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/**
 * What tells a file from another one of the same name. The time of change, which nobody can set, gives away what was
 * replaced by a file of the same size and time. In nanoseconds, as texts: they go into JSON.
 */
export interface FileIdentity {
  readonly size: number;
  readonly inode: string;
  readonly modifiedNs: string;
  readonly changedNs: string;
}

export function identityOf({ size, ino, mtimeNs, ctimeNs }: BigIntStats): FileIdentity {
  return {
    size: Number(size),
    inode: String(ino),
    modifiedNs: String(mtimeNs),
    changedNs: String(ctimeNs),
  };
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return (
    a.size === b.size && a.inode === b.inode && a.modifiedNs === b.modifiedNs && a.changedNs === b.changedNs
  );
}
