import { maxDocumentBytes } from '../image/documents.ts';
import type { SourceImage } from '../image/source.ts';
import { peek } from '../streams/peek.ts';
import { magicBytes } from './compression.ts';
import { readContents } from './contents.ts';
import { decompress } from './decompress.ts';
import type { VerifyIndex } from './oci-layout.ts';
import { beginsAsJson, StreamedFiles } from './streamed-files.ts';
import { StreamedTar } from './streamed-tar.ts';

export interface ArchiveHeadOptions {
  /** What to call the archive in messages. */
  readonly label: string;
  /** As `ArchiveOptions` has it. */
  readonly verifyIndex?: VerifyIndex | undefined;
}

/**
 * The images of an archive whose documents stand before its layers, as in every bundle that imgctl makes: what is read is
 * its beginning, however large and however compressed it is. Of the layers nothing is known. Undefined where the
 * beginning does not say all: what `docker save` writes has the documents at its end.
 * @throws ImgctlError as `openArchive`
 */
export async function readArchiveHead(
  input: AsyncIterable<Uint8Array>,
  { label, verifyIndex }: ArchiveHeadOptions,
): Promise<readonly SourceImage[] | undefined> {
  const { stream } = await decompress(input, label);
  const files = new StreamedFiles(label);
  for await (const { entry, body } of new StreamedTar(stream, label).entries()) {
    if (entry.kind === 'file') {
      if (entry.size > maxDocumentBytes) break;
      const { start, stream: content } = await peek(body, magicBytes);
      if (!isDocument(entry.name, start)) break;
      files.keep(entry, Buffer.concat(await Array.fromAsync(content)));
    }
    files.add(entry);
  }
  // Either may name images that the other does not
  if (['index.json', 'manifest.json'].some((name) => files.find(name) === undefined)) return undefined;
  const { images } = await readContents(files, {
    unnamed: 'keep',
    incomplete: 'keep',
    complete: false,
    verifyIndex,
  });
  return images;
}

/** JSON, or the signature beside it; no layer begins as JSON does. */
function isDocument(name: string, start: Uint8Array): boolean {
  return beginsAsJson(start) || /(?:^|\/)index\.json\.minisig$/.test(name);
}
