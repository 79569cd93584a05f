import { join } from 'node:path';
import { TextDecoder } from 'node:util';

/** A path that may not be UTF-8: names are bytes to the file system. */
export type NativePath = string | Buffer;

/** What `name` is called in `directory`: a text where it can be one. */
export function nativePath(directory: NativePath, name: Buffer): NativePath {
  const text = utf8(name);
  if (typeof directory === 'string' && text !== undefined) return join(directory, text);
  return Buffer.concat([Buffer.from(directory), Buffer.from('/'), name]);
}

/** As it is shown, and stands for the file: bytes that are no UTF-8 are `\xNN`. */
export function pathText(path: NativePath): string {
  return typeof path === 'string' ? path : shownName(path);
}

export function shownName(name: Buffer): string {
  return (
    utf8(name) ??
    [...name].map((byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join('')
  );
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
