import type { DistributeEvent, NodeOutcome, NodePreview } from '../distribute/outcome.ts';
import { type ImgctlError, printable } from '../errors.ts';
import { checkLines, checkSummary } from './check-lines.ts';
import { checkReport, nodeErrorLines } from './check-report.ts';
import { describeError } from './describe-error.ts';
import { directoriesTable, directoryErrorLines } from './directories-table.ts';
import { foldRemarks, foldSentences } from './fold-remarks.ts';
import { count, formatBytes, formatDuration, formatPart, formatRate } from './format.ts';
import { activity, isReceiving, type NodeProgress, ProgressModel, timeLeft } from './node-progress.ts';
import { nodesTable } from './nodes-table.ts';
import { allErrorLines, outcomeErrorLines, outcomeLine } from './outcome-lines.ts';
import type {
  CheckResult,
  DeployResult,
  DirectoryListing,
  ImportResult,
  ListedNode,
  NodeListing,
  ReadingProgress,
  RemoveResult,
  Reporter,
  RunStart,
} from './reporter.ts';
import {
  alignColumns,
  listingTable,
  outcomeTable,
  previewTable,
  type ResultTable,
  removedLines,
  summaryLine,
} from './results.ts';
import { type OutputStreams, printLines } from './streams.ts';
import { createStyle, type Style } from './style.ts';

/** Milliseconds between two lines about one node, or about what is read. */
const intervalMs = 5_000;

/** More nodes at work than this get one line together: a log is read by people too. */
const maxLines = 20;

export interface PlainOptions extends OutputStreams {
  readonly color?: boolean | undefined;
  /** Of what goes to standard output. */
  readonly resultColor?: boolean | undefined;
  /** Lines while the work goes on; results and errors are shown all the same. */
  readonly progress?: boolean | undefined;
  /** How a table of results becomes lines; aligned columns unless given. */
  readonly table?: ((table: ResultTable) => string[]) | undefined;
  /** Columns of standard output, and of standard error: what is said there is cut between words. Absent where none is. */
  readonly resultColumns?: (() => number) | undefined;
  readonly columns?: (() => number) | undefined;
}

/** For a pipe, a file, CI and simple terminals: whole lines, nothing that moves. */
export function createPlainReporter(options: PlainOptions): Reporter {
  return new PlainReporter(options);
}

class PlainReporter implements Reporter {
  readonly #streams: OutputStreams;
  readonly #style: Style;
  readonly #resultStyle: Style;
  readonly #progress: boolean;
  readonly #table: (table: ResultTable) => string[];
  readonly #resultColumns: () => number;
  readonly #columns: () => number;
  #model: ProgressModel | undefined;
  #timer: NodeJS.Timeout | undefined;
  #readAt = 0;
  /** Nodes whose end was told. */
  readonly #told = new Set<string>();
  /** What became of nodes before all were checked: those go together into one report. */
  #held: NodeOutcome[] | undefined;

  constructor({
    stdout,
    stderr,
    color = false,
    resultColor = false,
    progress = true,
    table = alignColumns,
    resultColumns = () => Number.POSITIVE_INFINITY,
    columns = () => Number.POSITIVE_INFINITY,
  }: PlainOptions) {
    this.#streams = { stdout, stderr };
    this.#style = createStyle(color);
    this.#resultStyle = createStyle(resultColor);
    this.#progress = progress;
    this.#table = table;
    this.#resultColumns = resultColumns;
    this.#columns = columns;
  }

  note(message: string): void {
    this.#err([printable(message)]);
  }

  warn(message: string): void {
    this.#err([`${this.#style.yellow('Warning')}: ${printable(message)}`]);
  }

  reading({ activity = 'reading', label, bytes, total }: ReadingProgress): void {
    const now = Date.now();
    if (this.#readAt === 0) this.#readAt = now;
    if (!this.#progress || now - this.#readAt < intervalMs) return;
    this.#readAt = now;
    this.#err([
      `${activity === 'reading' ? 'Reading' : 'Writing'} ${printable(label)}: ${total === undefined ? formatBytes(bytes) : formatPart(bytes, total)}`,
    ]);
  }

  start({ nodes, dryRun }: RunStart): void {
    if (dryRun) return;
    this.#model = new ProgressModel(nodes);
    if (nodes.length > 1) this.#held = [];
    this.#err(nodes.map(({ address }) => `Pushing OCI images to ${printable(address)}`));
    if (this.#progress) {
      this.#timer = setInterval(() => this.#tick(), intervalMs);
      this.#timer.unref();
    }
  }

  archive(): void {}

  event(event: DistributeEvent): void {
    this.#model?.apply(event, Date.now());
    if (event.type === 'outcome') {
      const { outcome } = event;
      if (outcome.error !== undefined && this.#held !== undefined) this.#held.push(outcome);
      else this.#tell(outcome);
    } else if (event.type === 'checked') {
      this.#checked(event);
    } else if (event.type === 'retry') {
      const { node, attempt, of, delayMs, error } = event;
      this.#err([
        printable(
          `${node}: retry ${attempt} of ${of} in ${formatDuration(delayMs)}: [${error.code}] ${error.message}`,
        ),
      ]);
    } else if (event.type === 'warning') {
      this.warn(`${event.node}: ${event.message}`);
    }
  }

  finish(result: ImportResult): void {
    this.#stop();
    const { stdout } = this.#streams;
    printLines(stdout, this.#table(outcomeTable(result.nodes)));
    // Each node's error was said when it happened, if it was
    const unsaid = result.nodes.filter(({ node }) => !this.#told.has(node));
    this.#err(allErrorLines(unsaid, this.#style));
    for (const advice of result.advice) this.warn(advice);
    if (result.error !== undefined) this.#err(describeError(result.error, this.#style));
    printLines(stdout, foldRemarks([summaryLine(result)], this.#resultColumns()));
  }

  preview(previews: readonly NodePreview[]): void {
    this.#stop();
    printLines(this.#streams.stdout, this.#table(previewTable(previews)));
    if (previews.length === 1) this.#errorsOf(previews);
    else this.#err(checkReport({ nodes: previews }, this.#style));
  }

  images(listing: readonly NodeListing[]): void {
    if (listing.some(({ error }) => error === undefined))
      printLines(this.#streams.stdout, this.#table(listingTable(listing)));
    this.#errorsOf(listing);
  }

  nodes(listing: readonly ListedNode[]): void {
    printLines(this.#streams.stdout, this.#table(nodesTable(listing)));
    if (listing.length === 1) this.#errorsOf(listing);
    else this.#err(nodeErrorLines(listing));
  }

  imagesDirectories(listing: readonly DirectoryListing[]): void {
    printLines(this.#streams.stdout, this.#table(directoriesTable(listing)));
    this.#err(directoryErrorLines(listing));
    this.#errorsOf(listing);
  }

  removed(results: readonly RemoveResult[], unknown: readonly ImgctlError[] = []): void {
    printLines(this.#streams.stdout, removedLines(results, unknown));
    this.#errorsOf([...results, ...unknown.map((error) => ({ error }))]);
  }

  done(messages: readonly string[]): void {
    printLines(this.#streams.stdout, foldSentences(messages.map(printable), this.#resultColumns()));
  }

  deployed(results: readonly DeployResult[]): void {
    const good = results.filter(({ error }) => error === undefined);
    printLines(
      this.#streams.stdout,
      good.map(({ host, address, summary }) =>
        printable(`${host}: the agent answers at ${address}${summary === undefined ? '' : `: ${summary}`}`),
      ),
    );
    this.#errorsOf(results);
    printLines(this.#streams.stdout, [`The agent is on ${good.length} of ${count(results.length, 'host')}.`]);
  }

  checks(results: readonly CheckResult[]): void {
    const lines = [...checkLines(results, this.#resultStyle), checkSummary(results)];
    printLines(this.#streams.stdout, foldRemarks(lines, this.#resultColumns()));
  }

  fail(error: ImgctlError): void {
    this.#stop();
    this.#err(describeError(error, this.#style));
  }

  #tell(outcome: NodeOutcome): void {
    // Who was held back for another node's sake is told of with all such nodes, at the end
    if (this.#told.has(outcome.node) || outcome.error?.code === 'held_back') return;
    this.#told.add(outcome.node);
    this.#err([outcomeLine(outcome, this.#style), ...outcomeErrorLines(outcome, this.#style)]);
  }

  #checked(event: Extract<DistributeEvent, { type: 'checked' }>): void {
    const { nodes, waiting } = event;
    // Of a single node its error tells it all
    if (nodes.length + waiting.length > 1) {
      this.#err(checkReport(event, this.#style));
      for (const { node, ok } of nodes) if (!ok) this.#told.add(node);
    }
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const outcome of held) this.#tell(outcome);
  }

  #tick(): void {
    const now = Date.now();
    const nodes = this.#model?.nodes ?? [];
    const working = nodes.filter(({ outcome }) => outcome === undefined);
    if (working.length > maxLines) {
      const rate = working.reduce((sum, { rate }) => sum + rate.at(now), 0);
      const [received, missing] = [sum(nodes, 'receivedBytes'), sum(nodes, 'missingBytes')];
      this.#err([
        `${nodes.length - working.length} of ${nodes.length} nodes finished, ${formatPart(received, missing)}, ${formatRate(rate)}`,
      ]);
      return;
    }
    this.#err(working.map((node) => progressLine(node, now)));
  }

  #errorsOf(results: readonly { readonly error?: ImgctlError | undefined }[]): void {
    this.#err(results.flatMap(({ error }) => (error === undefined ? [] : describeError(error, this.#style))));
  }

  #stop(): void {
    clearInterval(this.#timer);
  }

  #err(lines: readonly string[]): void {
    printLines(this.#streams.stderr, foldRemarks(lines, this.#columns()));
  }
}

function progressLine(node: NodeProgress, now: number): string {
  const parts = [activity(node)];
  if (isReceiving(node)) {
    const percent = Math.floor((100 * node.receivedBytes) / node.missingBytes);
    const left = timeLeft(node, now);
    parts[0] += ` ${formatPart(node.receivedBytes, node.missingBytes)} (${percent} %)`;
    parts.push(formatRate(node.rate.at(now)));
    if (left !== undefined) parts.push(`${formatDuration(left)} left`);
  } else if (node.unpacking !== undefined) {
    parts.push(node.unpacking.image);
  }
  return printable(`${node.name}: ${parts.join(', ')}`);
}

function sum(nodes: readonly NodeProgress[], key: 'receivedBytes' | 'missingBytes'): number {
  return nodes.reduce((total, node) => total + node[key], 0);
}
