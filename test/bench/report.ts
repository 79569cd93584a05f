import { cpus, totalmem } from 'node:os';
import Table from 'cli-table3';
import type { Row } from './benchmark.ts';

/** What one benchmark found; `error`: it could not be carried out. */
export interface Result {
  readonly name: string;
  readonly rows: readonly Row[];
  readonly error?: string;
}

/** For whoever reads the figures elsewhere: the machine, the day, and how they came about. */
interface Circumstances {
  readonly runs: number;
  readonly quick: boolean;
}

export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown';
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores (${model}), ${gibibytes} GiB, Node.js ${process.version}`;
}

export function asJson(results: readonly Result[], { runs, quick }: Circumstances): string {
  const document = {
    machine: machine(),
    date: new Date().toISOString(),
    node: process.version,
    runs,
    quick,
    results: results.map(({ rows, ...result }) => ({
      ...result,
      rows: rows.map((row) => ({ ...row, ...metField(row) })),
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

export function asText(results: readonly Result[], { runs, quick }: Circumstances): string {
  const table = new Table({
    head: ['', 'what', 'measured', 'must', '', 'made of'],
    style: { head: [], border: [] },
  });
  for (const { name, rows, error } of results) {
    for (const row of rows) {
      const { met } = metField(row);
      const must = row.limit === undefined ? '' : `≤ ${row.limit}`;
      const verdict = met === undefined ? '' : met ? 'met' : 'NOT met';
      table.push([name, row.what, shown(row), must, verdict, row.note ?? '']);
    }
    if (error !== undefined) table.push([name, 'not measured', '', '', 'FAILED', error.slice(0, 200)]);
  }
  const how = quick ? 'a trial on small inputs: these figures say little' : `medians of ${runs} runs`;
  return `${machine()}, ${new Date().toISOString().slice(0, 10)}; ${how}\n${table.toString()}\n`;
}

function metField({ value, limit }: Row): { readonly met?: boolean } {
  return limit === undefined ? {} : { met: value <= limit };
}

function shown({ value, unit }: Row): string {
  if (unit !== undefined) return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 0.1 ? 4 : value < 2 ? 3 : 2);
}
