import { ImgctlError } from '../errors.ts';
import { formatReference, parseReference, type Reference } from '../image/reference.ts';
import { linesOfList } from '../image/reference-list.ts';
import { readSmallFile } from '../streams/read-small-file.ts';
import type { InputStream } from './context.ts';

const maxListBytes = 1024 * 1024;

/**
 * The references of the command line, then those of files: one a line, blank lines and what follows a `#` left out; `-`
 * is standard input. Each once.
 * @throws ImgctlError `usage`, `reference_invalid`, with the place in the file
 */
export async function readReferences(
  refs: readonly string[],
  files: readonly string[],
  stdin: () => InputStream,
): Promise<Reference[]> {
  const found = refs.map(parseReference);
  for (const file of files) {
    const label = file === '-' ? 'standard input' : file;
    for (const { text, line } of linesOfList(await readList(file, stdin)))
      found.push(parseAt(text, `${label}:${line}`));
  }
  if (found.length === 0) {
    throw new ImgctlError('usage', 'no image is named', {
      hint: 'Name images, or a file of names: imgctl images pull nginx:1.27 -f images.txt',
    });
  }
  return [...new Map(found.map((reference) => [formatReference(reference), reference])).values()];
}

function parseAt(ref: string, place: string): Reference {
  try {
    return parseReference(ref);
  } catch (error) {
    if (!(error instanceof ImgctlError)) throw error;
    throw new ImgctlError(error.code, `${place}: ${error.message}`, {
      hint: isYaml(ref) ? manifestHint : error.hint,
    });
  }
}

const manifestHint =
  'A list has one image a line. Of manifests imgctl bundle create -f FILE -o bundle.tar.zst makes an archive, for imgctl images import.';

/** In a reference no colon stands before a space. */
function isYaml(line: string): boolean {
  return /^(?:---|[\w./-]+:(?:\s|$)|[{[])/.test(line);
}

async function readList(file: string, stdin: () => InputStream): Promise<string> {
  try {
    return file === '-' ? await readInput(stdin()) : await readSmallFile(file);
  } catch (cause) {
    if (cause instanceof ImgctlError) throw cause;
    throw new ImgctlError('usage', `${file} cannot be read as a list of images`, {
      hint: 'Name a file with one image a line.',
      context: { path: file },
      cause,
    });
  }
}

async function readInput(stdin: InputStream): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    length += chunk.byteLength;
    if (length > maxListBytes) {
      throw new ImgctlError('usage', `standard input is longer than ${maxListBytes} bytes`, {
        hint: 'A list of images has one a line; archives are for imgctl images import.',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
