import { fileURLToPath } from 'node:url';
import type { Generation } from '../support/containerd/daemon.ts';

export const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));
export const imageName = 'registry.example.com/bench/image:1';
export const mebibyte = 1024 * 1024;

/** One line of the result. What has a limit is met when it is no larger. */
export interface Row {
  readonly what: string;
  readonly value: number;
  /** Of the value and the limit; a ratio has none. */
  readonly unit?: string;
  readonly limit?: number;
  /** What the value is made of. */
  readonly note?: string;
}

export interface BenchmarkOptions {
  /** For what it writes; removed at the end. */
  readonly directory: string;
  readonly runs: number;
  /** A trial of the benchmark itself: all is small, and the figures say little. */
  readonly quick: boolean;
  /** Those of containerd that are here and wanted, oldest first. */
  readonly generations: readonly Generation[];
  readonly log: (line: string) => void;
  /** Of the archive for one node. */
  readonly mebibytes: number;
  /** How many nodes the fan-out is to be measured with, and the rate of their links. */
  readonly nodes: readonly number[];
  readonly rateMbit: number;
  /** How often what takes N times as long is measured. */
  readonly peerRuns: number;
  /** Where the plot of the fan-out goes. */
  readonly plot: string | undefined;
}

export type Benchmark = (options: BenchmarkOptions) => Promise<Row[]>;

/** Seconds against those of a peer or a bound of the same run. */
export function ratioRow(what: string, seconds: number, to: number, limit?: number, note = ''): Row {
  const made = `${seconds.toFixed(2)} s / ${to.toFixed(2)} s${note === '' ? '' : `; ${note}`}`;
  return { what, value: seconds / to, note: made, ...(limit === undefined ? {} : { limit }) };
}

export function memoryRow(what: string, bytes: number, limit: number): Row {
  return { what, value: bytes / 1e6, unit: 'MB', limit };
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
