import { errorFromWire, type WireError } from '../../agent-api/errors.ts';
import type { BackOff } from './back-off.ts';
import type { FileEntry } from './file-entry.ts';
import type { FileKind } from './file-kinds.ts';

/** What only another file can mend: it is not tried again before it changes. */
const ofTheFile =
  /^(?:archive_|document_|no_archive|reference_invalid|image_cycle|platform_missing|digest_mismatch|size_mismatch|signature_)/;

/** Milliseconds until a file that failed is tried again; undefined: not by itself. */
export function waitBeforeRetry({ file, images, errors }: FileEntry, backOff: BackOff): number | undefined {
  const { path, kind } = file;
  const waits =
    kind === 'list'
      ? images.flatMap(({ name }) => (backOff.errorOf(name) === undefined ? [] : backOff.waitMs(name)))
      : [];
  const error = errors.find(
    (one) => !ofTheFile.test(one.code) || wantsBase(one) || isOfItsPlace(one) || wantsSignature(one, kind),
  );
  if (waits.length === 0 && error !== undefined) {
    backOff.failed(path, errorFromWire(error));
    waits.push(backOff.waitMs(path));
  }
  return waits.length === 0 ? undefined : Math.min(...waits);
}

/** The operating system refused it: too many files are open, or the disk is away. The file itself may be good. */
function isOfItsPlace({ context }: WireError): boolean {
  return typeof context?.reason === 'string';
}

/** A list's is a file of its own, which may come later. */
function wantsSignature({ code }: WireError, kind: FileKind): boolean {
  return kind === 'list' && code.startsWith('signature_');
}

/** Of a delta bundle: the store has not what it builds upon, which may come. */
export function wantsBase({ context }: WireError): boolean {
  return context?.base !== undefined;
}
