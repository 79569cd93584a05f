import { createReadStream } from 'node:fs';
import type { NamedImage } from '../bundle/named-images.ts';
import { ImgctlError } from '../errors.ts';
import { parseReference } from '../image/reference.ts';
import { whyUnreadable } from '../streams/read-small-file.ts';
import type { CliIo } from './context.ts';

/**
 * The images that the command line and its files name; undefined where it has neither.
 * @throws ImgctlError `usage` for files that cannot be read or name nothing, `reference_invalid`, `manifest_invalid`
 */
export async function imagesToBundle(
  refs: readonly string[],
  files: readonly string[],
  { stdin, signal }: Pick<CliIo, 'stdin' | 'signal'>,
): Promise<NamedImage[] | undefined> {
  if (refs.length === 0 && files.length === 0) return undefined;
  const { namedImages } = await import('../bundle/named-images.ts');
  const named: NamedImage[] = refs.map((ref) => ({ reference: parseReference(ref), where: 'command line' }));
  for (const file of files) {
    if (file === '-' && stdin.isTTY) {
      throw new ImgctlError('usage', 'standard input is a terminal', {
        hint: 'kubectl kustomize DIR | imgctl bundle create -f - …',
      });
    }
    const label = file === '-' ? 'standard input' : file;
    const found = namedImages(await textOf(file, label, { stdin, signal }), label);
    if (found.length === 0) {
      throw new ImgctlError('usage', `${label} names no image`, {
        hint: 'It is read as a list of references, one a line, or as Kubernetes manifests with pods in them.',
      });
    }
    named.push(...found);
  }
  return named;
}

async function textOf(
  file: string,
  label: string,
  { stdin, signal }: Pick<CliIo, 'stdin' | 'signal'>,
): Promise<string> {
  const { readNaming } = await import('../bundle/named-images.ts');
  const { abortable } = await import('../streams/abortable.ts');
  if (file === '-') return readNaming(abortable(stdin, signal), label);
  try {
    return await readNaming(createReadStream(file, { signal }), label);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof ImgctlError) throw cause;
    throw new ImgctlError('usage', `${file} cannot be read: ${whyUnreadable(cause)}`, {
      hint: 'Name a list of images or Kubernetes manifests; - is standard input.',
      cause,
    });
  }
}
