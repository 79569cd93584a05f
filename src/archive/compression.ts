/** Compressions, known by the first bytes of what they wrote: names of files say little. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz' | 'lz4';

/** As many first bytes as `detectCompression` can make use of. */
export const magicBytes = 64;

const magics: readonly (readonly [compression: Compression, hex: RegExp])[] = [
  ['gzip', /^1f8b08/],
  ['zstd', /^28b52ffd/],
  ['xz', /^fd377a585a00/],
  // Frames, and the legacy format of `lz4 -l` that Linux kernels use
  ['lz4', /^(?:04224d18|02214c18)/],
  // `BZh`, the level, and what a block or the end of an empty stream begins with
  ['bzip2', /^425a683[1-9](?:314159265359|177245385090)/],
];

/** The compression of a stream that begins with these bytes. */
export function detectCompression(start: Uint8Array): Compression {
  const bytes = Buffer.from(start.buffer, start.byteOffset, Math.min(start.byteLength, magicBytes));
  const hex = bytes.toString('hex');
  const skippable = /^5[0-9a-f]2a4d18/.test(hex);
  if (!skippable) return magics.find(([, magic]) => magic.test(hex))?.[0] ?? 'none';
  // zstd and lz4 share skippable frames: what follows tells; pzstd begins every archive with one
  if (bytes.byteLength < 8) return 'zstd';
  const next = bytes.subarray(8 + bytes.readUInt32LE(4));
  return next.byteLength < 4 ? 'zstd' : detectCompression(next);
}
