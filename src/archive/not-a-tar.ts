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

const textHint =
  'Of what a list or manifests name, imgctl bundle create -f FILE makes an archive; imgctl images pull -f FILE pulls a list.';

/** The error for an archive whose first block is no tar header. */
export function whyNotTar(label: string, start: Uint8Array): ImgctlError {
  const begin = Buffer.from(start.subarray(0, 8)).toString('latin1');
  const found = lookalikes.find(([magic]) => begin.startsWith(magic));
  if (found === undefined && isText(start)) return unreadable(label, 'it is text', { hint: textHint });
  return unreadable(label, `it is ${found?.[1] ?? 'no tar archive'}`, {
    hint: found?.[2] ?? 'Save the image with docker save IMAGE:TAG, or skopeo copy … oci-archive:FILE.',
  });
}

/** A list of images, manifests: no control character but those of lines. */
function isText(start: Uint8Array): boolean {
  return start.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}
