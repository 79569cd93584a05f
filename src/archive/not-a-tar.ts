import type { ImgctlError } from '../errors.ts';
import { unreadable } from './archive-errors.ts';

/** What people take for an archive by mistake, known by its first bytes, and what to do about it. */
const lookalikes: readonly (readonly [start: string, what: string, hint: string])[] = [
  ['PK\x03\x04', 'a zip file', 'Unpack it first: the archive may be inside.'],
  ['7z\xbc\xaf', 'a 7-Zip file', 'Unpack it first: the archive may be inside.'],
  [
    'hsqs',
    'a squashfs image',
    'Save the image with docker save IMAGE:TAG, or skopeo copy … oci-archive:FILE.',
  ],
  ['\x7fELF', 'a program', 'Save the image with docker save IMAGE:TAG.'],
  ['<', 'an HTML or XML page', 'It looks like the error page of a download: fetch the archive again.'],
  ['{', 'a JSON document', 'It looks like the answer of an API or a manifest: fetch the archive itself.'],
];

/** The error for an archive whose first block is no tar header. */
export function whyNotTar(label: string, start: Uint8Array): ImgctlError {
  const begin = Buffer.from(start.subarray(0, 8)).toString('latin1');
  const found = lookalikes.find(([magic]) => begin.startsWith(magic));
  return unreadable(label, `it is ${found?.[1] ?? 'no tar archive'}`, {
    hint: found?.[2] ?? 'Save the image with docker save IMAGE:TAG, or skopeo copy … oci-archive:FILE.',
  });
}
