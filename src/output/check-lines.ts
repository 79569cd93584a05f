import { printable } from '../errors.ts';
import type { CheckResult } from './reporter.ts';
import type { Style } from './style.ts';
import { fitText, textWidth } from './text-width.ts';

/** A line for each check, `ok|warn|fail  what  detail`, and its hint below it; then how many are in order. */
export function checkLines(results: readonly CheckResult[], style: Style): string[] {
  const width = Math.max(0, ...results.map(({ what }) => textWidth(printable(what))));
  const color = { ok: style.green, warn: style.yellow, fail: style.red };
  return results.flatMap(({ status, what, detail, hint }) => [
    `${color[status](status.padEnd(4))}  ${fitText(printable(what), width)}  ${printable(detail)}`.trimEnd(),
    ...(hint === undefined ? [] : [`      Hint: ${printable(hint)}`]),
  ]);
}

/** `9 in order, 1 to look at, 0 failed` */
export function checkSummary(results: readonly CheckResult[]): string {
  const of = (wanted: CheckResult['status']) => results.filter(({ status }) => status === wanted).length;
  return `${of('ok')} ok, ${of('warn')} to look at, ${of('fail')} failed`;
}
