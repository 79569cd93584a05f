import CliTable3 from 'cli-table3';
import { alignColumns, type ResultTable } from './results.ts';
import type { Style } from './style.ts';

/** A table with borders; plain columns where the terminal is too narrow for it, as a broken border helps nobody. */
export function borderedTable(result: ResultTable, style: Style, columns: number): string[] {
  const { head, rows } = result;
  if (rows.length === 0) return alignColumns(result, columns);
  const table = new CliTable3({
    head: head.map((title) => style.bold(title)),
    // Its own colors follow the environment, not what the user chose
    style: { head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  if (table.width > columns) return alignColumns(result, columns);
  // Only the head is ruled off: a line under every node doubles what must be scrolled through
  return table
    .toString()
    .split('\n')
    .filter((line, i) => i <= 2 || !line.startsWith('├'));
}
