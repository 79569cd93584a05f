import { narrowNodes } from '../discovery/narrow.ts';
import { readPeerSource } from '../distribute/peer-source.ts';
import { chooseImages } from '../distribute/sync-choice.ts';
import { withoutLost } from '../distribute/sync-lost.ts';
import { syncReceiver } from '../distribute/sync-receiver.ts';
import { ImgctlError } from '../errors.ts';
import type { Reporter } from '../output/reporter.ts';
import { askNodes } from './ask-nodes.ts';
import type { ConnectedNode } from './connect-nodes.ts';
import type { CommandContext } from './context.ts';
import type { ExitStatus } from './exit-codes.ts';
import { type PushOptions, pushSource } from './push.ts';

/** A node that does not say what it has within this gives nothing. Milliseconds. */
const listWithinMs = 30_000;

export interface SyncOptions extends Omit<PushOptions, 'tag' | 'spoolDir' | 'relay' | 'concurrency'> {
  readonly from?: string[];
  readonly to?: string[];
}

export interface Sync {
  /** Normalised; none: all. */
  readonly names: readonly string[];
  readonly nodes: readonly ConnectedNode[];
  readonly options: SyncOptions;
  readonly reporter: Reporter;
}

/** What some nodes have, to all: from node to node, without an archive. */
export async function sync(
  { names, nodes, options, reporter }: Sync,
  { io }: CommandContext,
): Promise<ExitStatus> {
  const begun = performance.now();
  const { signal } = io;
  const chosen = (only: readonly string[] | undefined) =>
    narrowNodes(nodes, { only, exclude: [] }) as readonly ConnectedNode[];
  const [from, to] = [chosen(options.from), chosen(options.to)];
  if (new Set([...from, ...to]).size < 2) throw alone();
  const answers = await askNodes(from, ({ node }, stop) => node.images(stop), {
    signal,
    withinMs: listWithinMs,
  });
  const listed = answers.flatMap(({ node, answer }) =>
    answer === undefined ? [] : [{ node, images: answer }],
  );
  for (const { node, error } of answers)
    if (error !== undefined) reporter.warn(`${node.name} gives nothing: ${error.message}`);
  const [first] = answers;
  if (listed.length === 0 && first?.error !== undefined) throw first.error;
  const choice = chooseImages(
    listed.map(({ node: { name }, images }) => ({ node: name, images })),
    names,
  );
  if (choice.images.length === 0) throw choice.refused[0] ?? nothing();
  const givers = listed.map(({ node }) => node);
  const { source: whole, lost: unread } = await readPeerSource(
    choice.images,
    givers.map(({ name, node }) => ({ name, readBlob: node.readBlob })),
    signal,
  );
  if (whole.images.length === 0) throw unread[0] ?? nothing();
  const layers = whole.layers.map(({ digest }) => digest);
  const held = await askNodes(givers, async ({ node }, stop) => [...(await node.have(layers, stop))], {
    signal,
    withinMs: listWithinMs,
  });
  const has = held.map(({ node: { name, peer }, answer = [] }) => ({
    name,
    url: peer?.url ?? '',
    has: answer,
  }));
  whole.offer(has.flatMap((giver) => giver.has));
  const { source, lost } = await withoutLost(whole, {
    nodes: to,
    platforms: options.platform,
    withinMs: listWithinMs,
    signal,
  });
  const refused = [...choice.refused, ...unread, ...lost];
  if (source.images.length === 0) throw refused[0] ?? nothing();
  for (const { message, hint } of refused) reporter.warn(`left out: ${message}${hint ? `. ${hint}` : ''}`);
  const { describeImages } = await import('../archive/archive.ts');
  const summary = await describeImages(source, signal);
  const pinned = choice.images.filter((image) => image.pinned);
  // An import pins all of its images or none
  const pin = options.pin === true || pinned.length === choice.images.length;
  if (!pin && pinned.length > 0)
    reporter.warn(
      `not pinned on the other nodes: ${pinned.map(({ name }) => name).join(', ')}; name them alone to pin them.`,
    );
  const all = { ...options, ...(pin ? { pin } : {}), relay: 'auto' as const, concurrency: 4 };
  const receivers = to.map(syncReceiver);
  return pushSource(
    { source, summary, nodes: receivers, givers: has, refused, options: all, reporter, begun },
    io,
  );
}

function alone(): ImgctlError {
  return new ImgctlError('usage', 'there is one node alone, which has nobody to get images from', {
    hint: 'Name at least two with --nodes, or import an archive: imgctl images import.',
  });
}

function nothing(): ImgctlError {
  return new ImgctlError('image_unknown', 'no node has any image', {
    hint: 'Import an archive first: imgctl images import < bundle.tar.',
  });
}
