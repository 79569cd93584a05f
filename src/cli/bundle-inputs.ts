import { createReadStream } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { NamedImage } from '../bundle/named-images.ts';
import { ImgctlError } from '../errors.ts';
import { formatReference, parseReference } from '../image/reference.ts';
import type { Reporter } from '../output/reporter.ts';
import { whyUnreadable } from '../streams/read-small-file.ts';
import type { CliIo } from './context.ts';

export interface BundleInputs {
  readonly file: readonly string[];
  readonly fromCluster?: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/**
 * The images that the command line, its files and the cluster name; undefined where none of them is asked.
 * @throws ImgctlError `usage` for files that cannot be read or name nothing, `reference_invalid`, `manifest_invalid`,
 * `discovery_failed`
 */
export async function imagesToBundle(
  refs: readonly string[],
  inputs: BundleInputs,
  { reporter, io }: { readonly reporter: Reporter; readonly io: CliIo },
): Promise<NamedImage[] | undefined> {
  const { file: files, fromCluster } = inputs;
  const { stdin, signal } = io;
  if (refs.length === 0 && files.length === 0 && !fromCluster) return undefined;
  const { namedImages } = await import('../bundle/named-images.ts');
  const loose: NamedImage[] = [];
  const named: NamedImage[] = refs.map((ref) => ({ reference: parseReference(ref), where: 'command line' }));
  for (const file of files) {
    if (file === '-' && stdin.isTTY) {
      throw new ImgctlError('usage', 'standard input is a terminal', {
        hint: 'kubectl kustomize DIR | imgctl bundle create -f - …',
      });
    }
    const label = file === '-' ? 'standard input' : file;
    const found: NamedImage[] = [];
    const before = loose.length;
    for (const path of await filesAt(file)) {
      const name = path === '-' ? label : path;
      const text = await textOf(path, name, { stdin, signal });
      found.push(...namedImages(text, name, (image) => loose.push(image)));
    }
    if (found.length === 0) {
      const example = loose[before];
      throw new ImgctlError('usage', `${label} names no image`, {
        hint:
          example !== undefined
            ? `It has no pod. Name in its place what its resources run, perhaps ${formatReference(example.reference)}.`
            : (await isChart(file))
              ? `It is a Helm chart: helm template ${file} | imgctl bundle create -f -`
              : 'It is read as a list of references, one a line, or as Kubernetes manifests with pods in them.',
      });
    }
    named.push(...found);
  }
  const all = fromCluster ? [...named, ...(await imagesOfCluster(inputs, reporter, io))] : named;
  const { unnamedOf } = await import('../bundle/named-images.ts');
  for (const note of looseNotes(unnamedOf(loose, all))) reporter.note(note);
  return all;
}

/** More are counted. */
const mostLoose = 10;

/** Nobody should carry a bundle that lacks what an operator will start from a resource of its own. */
function looseNotes(loose: readonly NamedImage[]): string[] {
  const told = loose.slice(0, mostLoose).map(({ reference, where }) => {
    const name = formatReference(reference);
    return `${where} names ${name}, but no pod does: it is not in the bundle unless you name it too.`;
  });
  const more = loose.length - told.length;
  return more > 0 ? [...told, `${more} more are named so.`] : told;
}

/** The images of all pods, whatever became of them: those of a job that has ended are wanted again tomorrow. */
async function imagesOfCluster(
  { kubeconfig, context }: BundleInputs,
  reporter: Reporter,
  { env, signal }: CliIo,
): Promise<NamedImage[]> {
  const { findKubeconfig } = await import('../discovery/kubernetes/find-kubeconfig.ts');
  const { podsOf } = await import('../discovery/kubernetes/kubernetes-discovery.ts');
  const { objectImages } = await import('../bundle/named-images.ts');
  const search = await findKubeconfig({ env, explicit: kubeconfig });
  const { pods, note } = await podsOf(search, { env, context, signal });
  reporter.note(note);
  const named = objectImages(
    pods.map((pod) => ({ kind: 'Pod', ...pod })),
    'the cluster',
  );
  if (named.length > 0) return named;
  throw new ImgctlError('usage', 'the cluster has no pod that names an image', {
    hint: 'Another one may be meant: --context NAME, --kubeconfig FILE.',
  });
}

async function isChart(path: string): Promise<boolean> {
  return access(join(path, 'Chart.yaml')).then(
    () => true,
    () => false,
  );
}

/** Of a directory the manifests in it, as kubectl takes them; not those further below. */
async function filesAt(path: string): Promise<string[]> {
  const entries = await readdir(path).catch(() => undefined);
  if (path === '-' || entries === undefined) return [path];
  return entries
    .filter((name) => /\.(?:ya?ml|json)$/.test(name))
    .toSorted()
    .map((name) => join(path, name));
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
