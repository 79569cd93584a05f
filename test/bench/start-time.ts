import { type BenchmarkOptions, bin, type Row, ratioRow } from './benchmark.ts';
import { median, timed } from './timed-process.ts';

/** What the command adds to the time in which Node.js starts. */
export async function startTime({ runs }: BenchmarkOptions): Promise<Row[]> {
  const [bare, version]: [number[], number[]] = [[], []];
  for (let i = 0; i < Math.max(10, runs); i += 1) {
    bare.push((await timed(process.execPath, ['-e', '0'])).seconds);
    version.push((await timed(process.execPath, [bin, '--version'])).seconds);
  }
  return [ratioRow('imgctl --version / node -e 0', median(version), median(bare), 2)];
}
