/**
 * One 512-byte header block of a tar archive: v7, POSIX ustar and GNU.
 * Reads no more than importing needs: name, kind, size and link target.
 */

export const blockBytes = 512;

type TarKind =
  | 'file'
  | 'link'
  | 'symlink'
  | 'directory'
  | 'sparse'
  | 'continuation'
  | 'pax'
  | 'pax-global'
  | 'long-name'
  | 'long-link'
  | 'other';

export interface TarHeader {
  readonly name: string;
  readonly kind: TarKind;
  /** Bytes of body that follow the header, before padding. */
  readonly size: number;
  readonly linkName: string;
}

const kinds: Readonly<Record<string, TarKind>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
  S: 'sparse',
  M: 'continuation',
  x: 'pax',
  g: 'pax-global',
  L: 'long-name',
  K: 'long-link',
};

/** What devices, directories and links declare as size is no body (POSIX.1-2017, pax, "ustar Interchange Format"). */
const bodiless = new Set(['1', '2', '3', '4', '5', '6']);

/** Whether the block is one of the zero blocks that end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** The header in these 512 bytes; undefined where its checksum or a number in it is wrong. */
export function decodeTarHeader(block: Uint8Array): TarHeader | undefined {
  if (!hasValidChecksum(block)) return undefined;
  const type = String.fromCharCode(block[156] ?? 0);
  const size = decodeNumber(block.subarray(124, 136));
  if (size === undefined) return undefined;
  const isPosix = text(block.subarray(257, 265)).startsWith('ustar') && block[262] === 0;
  const prefix = isPosix ? text(block.subarray(345, 500)) : '';
  const name = text(block.subarray(0, 100));
  const kind = kinds[type] ?? 'other';
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    // v7 knows no directories: a name that ends in a slash is one
    kind: kind === 'file' && name.endsWith('/') ? 'directory' : kind,
    size: bodiless.has(type) ? 0 : size,
    linkName: text(block.subarray(157, 257)),
  };
}

/** The sum of all bytes with the checksum field as spaces; some old tars summed signed bytes. */
function hasValidChecksum(block: Uint8Array): boolean {
  const expected = decodeNumber(block.subarray(148, 156));
  let [unsigned, signed] = [0, 0];
  for (let i = 0; i < blockBytes; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return expected === unsigned || expected === signed;
}

/** Octal digits, or GNU's base-256 where the first bit is set; undefined for what is neither, negative or beyond 2^53. */
function decodeNumber(field: Uint8Array): number | undefined {
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = first & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return (first & 0x40) === 0 && Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = text(field).trim();
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** A field's text up to its first NUL. */
export function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  return Buffer.from(field.buffer, field.byteOffset, end < 0 ? field.byteLength : end).toString('utf8');
}
