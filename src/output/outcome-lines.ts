import type { NodeOutcome } from '../distribute/outcome.ts';
import { type ImgctlError, printable } from '../errors.ts';
import { describeError } from './describe-error.ts';
import { count, formatBytes, formatDuration } from './format.ts';
import type { Style } from './style.ts';

/** More failed images of one node than this are counted, not listed. */
const maxImages = 10;

/** Names listed where one error met many nodes. */
const maxNodes = 10;

/** One line on what became of a node. */
export function outcomeLine(outcome: NodeOutcome, style: Style): string {
  const { node, status, images, bytesSent, bytesFromPeers, bytesSkipped, bytesUnneeded, durationMs } =
    outcome;
  const { bytesFromRegistries: pulled = 0 } = outcome;
  const name = printable(node);
  const what = count(images.length, 'image');
  if (status === 'unchanged')
    return `${name}: ${style.green('unchanged')}, ${what} (${formatBytes(bytesSkipped)}) there already`;
  if (status === 'imported') {
    const skipped = bytesSkipped > 0 ? `, ${formatBytes(bytesSkipped)} there already` : '';
    const passed = bytesFromPeers > 0 ? `, ${formatBytes(bytesFromPeers)} from peers` : '';
    const read = pulled > 0 ? `, ${formatBytes(pulled)} pulled` : '';
    const unneeded = bytesUnneeded === undefined ? '' : `, ${formatBytes(bytesUnneeded)} not needed`;
    return `${name}: ${style.green('imported')} ${what}, ${formatBytes(bytesSent)} sent${read}${passed} in ${formatDuration(durationMs)}${skipped}${unneeded}`;
  }
  return `${name}: ${style.red(status)} after ${formatDuration(durationMs)}`;
}

/** What went wrong on one node: its error, then the images that failed for a reason of their own. */
export function outcomeErrorLines({ node, images, error }: NodeOutcome, style: Style): string[] {
  // Whoever interrupted it knows; the error of the whole command says what is left
  if (error?.code === 'interrupted') return [];
  const lines = error === undefined ? [] : describeError(error, style);
  const own = images.filter(
    ({ name, error: of }) =>
      of !== undefined && !(of.message === error?.message && (error.context.image ?? name) === name),
  );
  for (const { name, error: of } of own.slice(0, maxImages)) {
    lines.push(
      `  image ${printable(name)} on ${printable(node)} [${printable(of?.code ?? '')}]: ${printable(of?.message ?? '')}`,
    );
    if (of?.hint !== undefined && of.hint !== error?.hint) lines.push(`    Hint: ${printable(of.hint)}`);
  }
  if (own.length > maxImages) lines.push(`  … and ${count(own.length - maxImages, 'more image')}`);
  return lines;
}

/** The errors of all nodes at the end; one that met several is said once. */
export function allErrorLines(outcomes: readonly NodeOutcome[], style: Style): string[] {
  const failed = outcomes.filter(({ error, images }) => error ?? images.some((image) => image.error));
  const groups = Map.groupBy(failed, ({ node, error, images }) =>
    images.some((image) => image.error) ? node : sameness(error, node),
  );
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const lines = outcomeErrorLines(first, style);
    if (others.length === 0 || lines.length === 0) return lines;
    const names = others.map(({ node }) => printable(node));
    const listed = names.slice(0, maxNodes).join(', ');
    const rest = names.length > maxNodes ? ` and ${count(names.length - maxNodes, 'more node')}` : '';
    return [...lines, `  The same on ${listed}${rest}`];
  });
}

/** Errors are the same when only the node's name differs in them. */
function sameness(error: ImgctlError | undefined, node: string): string {
  return JSON.stringify([
    error?.code,
    error?.message.replaceAll(node, ''),
    error?.hint?.replaceAll(node, ''),
  ]);
}
