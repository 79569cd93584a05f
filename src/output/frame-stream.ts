import { stripVTControlCharacters } from 'node:util';
import type { OutputStream } from './streams.ts';
import { textWidth } from './text-width.ts';

/** Synchronized output: a terminal that knows it shows what is between the two at once. ora writes them around a frame. */
const beginFrame = '\x1b[?2026h';
const endFrame = '\x1b[?2026l';

const eraseLine = '\x1b[K';
const eraseBelow = '\x1b[J';

/**
 * The terminal as ora is given it. ora clears and draws a frame in many small writes, each of which a terminal may show:
 * that flickers. Here a frame becomes one write that draws over the one before. And it knows how many lines that one
 * takes now, also after the window was made narrower.
 */
export class FrameStream {
  readonly isTTY = true;
  readonly #terminal: OutputStream;
  /** What is on the screen now and will be drawn over; empty when nothing is. */
  #shown = '';
  #next: string | undefined;
  #erase = false;

  constructor(terminal: OutputStream) {
    this.#terminal = terminal;
  }

  get columns(): number {
    return this.#terminal.columns || 80;
  }

  get rows(): number {
    return this.#terminal.rows || 24;
  }

  write(text: string): boolean {
    if (text === beginFrame) {
      this.#next = '';
      return true;
    }
    if (text === endFrame) return this.#draw();
    if (this.#next === undefined) return this.#terminal.write(text);
    this.#next += text;
    return true;
  }

  /** ora clears by going home and then up, line by line: the first of these calls says that it wants to. */
  cursorTo(): boolean {
    if (this.#next !== undefined) this.#erase = true;
    else this.#eraseNow();
    return true;
  }

  moveCursor(): boolean {
    return true;
  }

  clearLine(): boolean {
    return true;
  }

  once(event: 'drain', listener: () => void): this {
    this.#terminal.once(event, listener);
    return this;
  }

  removeListener(event: 'drain', listener: () => void): this {
    this.#terminal.removeListener(event, listener);
    return this;
  }

  #draw(): boolean {
    const frame = this.#next ?? '';
    this.#next = undefined;
    const start = this.#erase ? this.#toStart() : '';
    this.#erase = false;
    this.#shown = frame;
    const drawn = frame
      .split('\n')
      .map((line) => line + eraseLine)
      .join('\n');
    return this.#terminal.write(beginFrame + start + drawn + eraseBelow + endFrame);
  }

  #eraseNow(): void {
    if (this.#shown === '') return;
    this.#terminal.write(this.#toStart() + eraseBelow);
    this.#shown = '';
  }

  /** From the end of what is shown to where it begins. */
  #toStart(): string {
    if (this.#shown === '') return '';
    const lines = stripVTControlCharacters(this.#shown).split('\n');
    const rows = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / this.columns)), 0);
    return rows > 1 ? `\r\x1b[${rows - 1}A` : '\r';
  }
}
