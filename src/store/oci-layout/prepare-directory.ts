import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { ImgctlError } from '../../errors.ts';
import { mediaTypes } from '../../image/media-types.ts';
import { replaceFile } from './durable-file.ts';
import type { LayoutPaths } from './layout-paths.ts';
import { ofStore } from './store-errors.ts';

/** The one version of the OCI image layout. */
export const layoutVersion = '1.0.0';

/** Makes the folders that the lock needs. @throws ImgctlError `store_failed` where the directory is something else */
export async function makeFolders({
  directory,
  marker,
  own,
  ingest,
  leases,
  owners,
}: LayoutPaths): Promise<void> {
  const make = async () => {
    await mkdir(directory, { recursive: true });
    const known = new Set(['.imgctl', 'blobs', 'index.json', 'lost+found']);
    const strange = (await readdir(directory)).find((name) => !known.has(name));
    if (strange !== undefined && !existsSync(marker)) throw notALayout(directory, `it holds ${strange}`);
    for (const folder of [own, ingest, leases, owners]) await mkdir(folder, { recursive: true });
  };
  await ofStore(directory, make());
}

/** Makes it an image layout where it is not one yet. Under the layout's lock. */
export async function makeLayout({ directory, marker, index, blobs, scratch }: LayoutPaths): Promise<void> {
  await mkdir(blobs, { recursive: true });
  if (existsSync(marker)) {
    const text = await readFile(marker, 'utf8');
    if (!text.includes(`"${layoutVersion}"`))
      throw notALayout(directory, `its oci-layout is ${text.slice(0, 80)}`);
  } else {
    await replaceFile(marker, JSON.stringify({ imageLayoutVersion: layoutVersion }), scratch);
  }
  if (existsSync(index)) return;
  const empty = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] };
  await replaceFile(index, JSON.stringify(empty), scratch);
}

function notALayout(directory: string, why: string): ImgctlError {
  return new ImgctlError(
    'store_failed',
    `${directory} is no OCI image layout of version ${layoutVersion}: ${why}`,
    {
      hint: 'Name an empty directory, or one that holds an OCI image layout.',
      context: { path: directory },
    },
  );
}
