import ora, { type Ora, spinners } from 'ora';
import type { DistributeEvent } from '../distribute/outcome.ts';
import { printable } from '../errors.ts';
import { formatBytes, formatPart, formatRate } from './format.ts';
import { FrameStream } from './frame-stream.ts';
import { type Canvas, liveHeader, liveRows } from './live-rows.ts';
import { ProgressModel } from './node-progress.ts';
import { createPlainReporter } from './plain.ts';
import { RateMeter } from './rate.ts';
import type { ReadingProgress, Reporter, RunStart } from './reporter.ts';
import type { OutputStream, OutputStreams } from './streams.ts';
import { createStyle, type Style } from './style.ts';
import { borderedTable } from './table.ts';
import { cutText } from './text-width.ts';

export interface TtyOptions extends OutputStreams {
  readonly color: boolean;
  /** Of standard output, which may be a file. */
  readonly resultColor: boolean;
  readonly unicode?: boolean | undefined;
}

/** Milliseconds between two frames. */
const frameMs = 100;

/** For a terminal: one live row a node while the work goes on, a table at the end. */
export function createTtyReporter(options: TtyOptions): Reporter {
  return new TtyReporter(options);
}

class TtyReporter implements Reporter {
  readonly #frames: FrameStream;
  readonly #spinner: Ora;
  readonly #style: Style;
  readonly #unicode: boolean;
  /** Says everything that does not move. */
  readonly #lines: Reporter;
  /** What stands beside the spinner, drawn anew for each frame. */
  #view: () => string = () => '';
  #model: ProgressModel | undefined;
  #read: { progress: ReadingProgress; rate: RateMeter } | undefined;

  constructor({ stdout, stderr, color, resultColor, unicode = true }: TtyOptions) {
    this.#frames = new FrameStream(stderr);
    this.#style = createStyle(color);
    this.#unicode = unicode;
    const { frames } = unicode ? spinners.dots : spinners.line;
    this.#spinner = ora({
      stream: this.#frames as unknown as NodeJS.WriteStream,
      spinner: { frames: [...frames], interval: frameMs },
      color: color ? 'cyan' : false,
      isEnabled: true,
      // Standard input is the archive
      discardStdin: false,
      suffixText: () => this.#view(),
    });
    this.#lines = createPlainReporter({
      stdout,
      // Through the spinner, which makes room for a line
      stderr: this.#frames as unknown as OutputStream,
      color,
      resultColor,
      columns: () => this.#frames.columns,
      ...(stdout.isTTY
        ? {
            table: (table) => borderedTable(table, createStyle(resultColor), stdout.columns || 80),
            resultColumns: () => stdout.columns || 80,
          }
        : {}),
    });
  }

  note(message: string): void {
    this.#lines.note(message);
  }

  warn(message: string): void {
    this.#lines.warn(message);
  }

  reading(progress: ReadingProgress): void {
    if (this.#read?.progress.label !== progress.label) this.#read = { progress, rate: new RateMeter() };
    this.#read.progress = progress;
    this.#read.rate.add(progress.bytes, performance.now());
    if (this.#spinner.isSpinning) return;
    this.#view = () => this.#readingLine();
    this.#spinner.start(progress.activity === 'writing' ? 'Writing' : 'Reading');
  }

  start({ nodes, dryRun }: RunStart): void {
    const startedAt = performance.now();
    const model = new ProgressModel(nodes);
    this.#model = model;
    this.#view = () => {
      const now = performance.now();
      const canvas = this.#canvas();
      const header = liveHeader(model, startedAt, now);
      return [this.#besideSpinner(header), ...(dryRun ? [] : liveRows(model, canvas, now))].join('\n');
    };
    this.#spinner.text = dryRun ? 'Asking' : 'Importing';
    this.#spinner.start();
  }

  archive(): void {}

  event(event: DistributeEvent): void {
    this.#model?.apply(event, performance.now());
    if (event.type === 'checked') this.#lines.event(event);
    if (event.type === 'warning') this.warn(`${event.node}: ${event.message}`);
  }

  finish(...result: Parameters<Reporter['finish']>): void {
    this.#spinner.stop();
    this.#lines.finish(...result);
  }

  preview(...previews: Parameters<Reporter['preview']>): void {
    this.#spinner.stop();
    this.#lines.preview(...previews);
  }

  images(...listing: Parameters<Reporter['images']>): void {
    this.#spinner.stop();
    this.#lines.images(...listing);
  }

  imagesDirectories(...listing: Parameters<Reporter['imagesDirectories']>): void {
    this.#spinner.stop();
    this.#lines.imagesDirectories(...listing);
  }

  nodes(...listing: Parameters<Reporter['nodes']>): void {
    this.#spinner.stop();
    this.#lines.nodes(...listing);
  }

  removed(...results: Parameters<Reporter['removed']>): void {
    this.#spinner.stop();
    this.#lines.removed(...results);
  }

  done(...messages: Parameters<Reporter['done']>): void {
    this.#spinner.stop();
    this.#lines.done(...messages);
  }

  deployed(...results: Parameters<Reporter['deployed']>): void {
    this.#spinner.stop();
    this.#lines.deployed(...results);
  }

  checks(...results: Parameters<Reporter['checks']>): void {
    this.#spinner.stop();
    this.#lines.checks(...results);
  }

  fail(...error: Parameters<Reporter['fail']>): void {
    this.#spinner.stop();
    this.#lines.fail(...error);
  }

  #readingLine(): string {
    if (this.#read === undefined) return '';
    const { progress, rate } = this.#read;
    const { label, bytes, total } = progress;
    const size = total === undefined ? formatBytes(bytes) : formatPart(bytes, total);
    const speed = rate.at(performance.now());
    return this.#besideSpinner(`${printable(label)}: ${size}${speed > 0 ? `, ${formatRate(speed)}` : ''}`);
  }

  /** A line that is cut, so that it does not wrap behind the spinner and its word. */
  #besideSpinner(line: string): string {
    return cutText(line, this.#frames.columns - 4 - this.#spinner.text.length);
  }

  #canvas(): Canvas {
    const { columns, rows } = this.#frames;
    return { columns, rows, style: this.#style, unicode: this.#unicode };
  }
}
