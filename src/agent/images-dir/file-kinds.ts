/** What a file of the images directory is to the agent; undefined: it is left alone. */
export type FileKind = 'archive' | 'list';

/** K3s's, xz beside them, and the parts of a divided bundle. Which compression it really is, the bytes tell. */
const archives = /\.(?:tar(?:\.(?:lz4|bz2|gz|zst|xz))?|tbz|tgz|tzst|txz)(?:\.\d{3})?$/i;

export function fileKind(name: string): FileKind | undefined {
  if (archives.test(name)) return 'archive';
  return /\.txt$/i.test(name) ? 'list' : undefined;
}
