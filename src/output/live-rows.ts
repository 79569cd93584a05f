import { printable } from '../errors.ts';
import { count, formatClock, formatPart, formatRate } from './format.ts';
import { activity, isReceiving, type NodeProgress, type ProgressModel, timeLeft } from './node-progress.ts';
import type { Style } from './style.ts';
import { cutText, fitText, textWidth } from './text-width.ts';

/** What the live rows are drawn into. */
export interface Canvas {
  readonly columns: number;
  readonly rows: number;
  readonly style: Style;
  /** Whether the terminal has more than ASCII. */
  readonly unicode: boolean;
}

/** Columns of the parts that do not stretch: `1023.9/1023.9 MiB`, `1023.9 MiB/s`, `verifying 12/34`. */
const bytesWidth = 17;
const rateWidth = 12;
const activityWidth = 15;

/** The sums over all nodes, for the line that the spinner stands in. */
export function liveHeader({ nodes }: ProgressModel, startedAt: number, now: number): string {
  const finished = nodes.filter(({ outcome }) => outcome !== undefined).length;
  const failed = nodes.filter(isFailed).length;
  const missing = nodes.reduce((sum, { missingBytes }) => sum + missingBytes, 0);
  const received = nodes.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
  const rate = nodes.reduce((sum, { rate, outcome }) => sum + (outcome === undefined ? rate.at(now) : 0), 0);
  return [
    `${finished}/${count(nodes.length, 'node')}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(missing > 0 ? [formatPart(received, missing), formatRate(rate)] : []),
    formatClock(now - startedAt),
  ].join(', ');
}

/** One row a node, at most as many as there is room for: those where something happens, and a count of the others. */
export function liveRows(model: ProgressModel, canvas: Canvas, now: number): string[] {
  // One for the header, one below so that the terminal does not scroll
  const room = Math.max(1, canvas.rows - 2);
  const { nodes } = model;
  const shown = nodes.length <= room ? nodes : busiest(nodes, room - 1);
  const nameWidth = Math.min(
    Math.max(...shown.map(({ name }) => textWidth(printable(name))), 1),
    canvas.columns >= 120 ? 32 : 20,
  );
  const lines = shown.map((node) => liveRow(node, nameWidth, canvas, now));
  if (shown.length === nodes.length) return lines;
  return [...lines, canvas.style.dim(cutText(`  ${moreLine(nodes, shown)}`, canvas.columns - 1))];
}

function liveRow(node: NodeProgress, nameWidth: number, canvas: Canvas, now: number): string {
  const { style } = canvas;
  const width = canvas.columns - 1;
  const name = fitText(printable(node.name), nameWidth);
  const fixed = 2 + nameWidth + 1;
  if (!isReceiving(node)) {
    const text = fitText(describeIdle(node), Math.max(0, width - fixed)).trimEnd();
    return `${mark(node, canvas)} ${name} ${paint(node, style, text)}`;
  }
  const left = timeLeft(node, now);
  const doing = activity(node);
  const state = doing === 'sending' && left !== undefined ? `${formatClock(left)} left` : doing;
  // What does not fit goes: first the bar, then the rate
  const parts = [
    {
      width: bytesWidth,
      text: fitText(formatPart(node.receivedBytes, node.missingBytes), bytesWidth, 'right'),
    },
    { width: rateWidth, text: style.dim(fitText(formatRate(node.rate.at(now)), rateWidth, 'right')) },
    { width: activityWidth, text: fitText(state, activityWidth).trimEnd() },
  ];
  while (parts.length > 1 && fixed + widthOf(parts) > width) parts.splice(parts.length === 3 ? 1 : 0, 1);
  const barWidth = Math.min(40, width - fixed - widthOf(parts) - 1);
  const bar = barWidth >= 6 ? [progressBar(node.receivedBytes / node.missingBytes, barWidth, canvas)] : [];
  return `${mark(node, canvas)} ${name} ${[...bar, ...parts.map(({ text }) => text)].join(' ')}`;
}

/** What is said of a node that receives nothing at the moment. */
function describeIdle(node: NodeProgress): string {
  const { outcome, unpacking, phase } = node;
  if (outcome?.error !== undefined) return printable(`${outcome.status}: ${outcome.error.message}`);
  if (outcome !== undefined) return `${outcome.status}, ${count(outcome.images.length, 'image')}`;
  return printable(
    phase === 'unpacking' && unpacking ? `${activity(node)} ${unpacking.image}` : activity(node),
  );
}

/** Those at work before those that wait, then the failed, then the finished; in their own order. */
function busiest(nodes: readonly NodeProgress[], room: number): readonly NodeProgress[] {
  const urgency = (node: NodeProgress) => {
    if (node.outcome !== undefined) return isFailed(node) ? 2 : 3;
    return node.phase === 'connecting' || node.phase === 'retrying' ? 1 : 0;
  };
  const chosen = new Set(nodes.toSorted((a, b) => urgency(a) - urgency(b)).slice(0, Math.max(0, room)));
  return nodes.filter((node) => chosen.has(node));
}

function moreLine(nodes: readonly NodeProgress[], shown: readonly NodeProgress[]): string {
  const visible = new Set(shown);
  const hidden = nodes.filter((node) => !visible.has(node));
  const failed = hidden.filter(isFailed).length;
  const finished = hidden.filter(({ outcome }) => outcome !== undefined).length - failed;
  const kinds = [
    ...(finished > 0 ? [`${finished} finished`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(hidden.length > finished + failed ? [`${hidden.length - finished - failed} under way`] : []),
  ];
  return `… and ${hidden.length} more: ${kinds.join(', ')}`;
}

function progressBar(part: number, width: number, { style, unicode }: Canvas): string {
  const [full, empty] = unicode ? ['█', '░'] : ['#', '.'];
  const done = Math.min(width, Math.floor(part * width));
  return style.cyan(full.repeat(done)) + style.dim(empty.repeat(width - done));
}

function mark(node: NodeProgress, { style, unicode }: Canvas): string {
  if (isFailed(node)) return style.red(unicode ? '✖' : 'x');
  if (node.outcome !== undefined) return style.green(unicode ? '✔' : '+');
  if (node.phase === 'retrying') return style.yellow(unicode ? '↻' : '~');
  return ' ';
}

function paint(node: NodeProgress, style: Style, text: string): string {
  if (isFailed(node)) return style.red(text);
  return node.outcome !== undefined ? style.green(text) : style.dim(text);
}

function isFailed({ outcome }: NodeProgress): boolean {
  return outcome?.status === 'failed' || outcome?.status === 'refused';
}

function widthOf(parts: readonly { readonly width: number }[]): number {
  return parts.reduce((sum, { width }) => sum + width, parts.length - 1);
}
