import { describe, expect, it } from 'vitest';
import type { DistributeEvent } from '../../src/distribute/outcome.ts';
import { ImgctlError } from '../../src/errors.ts';
import { liveHeader, liveRows } from '../../src/output/live-rows.ts';
import { ProgressModel } from '../../src/output/node-progress.ts';
import { createStyle } from '../../src/output/style.ts';
import { textWidth } from '../../src/output/text-width.ts';
import { addressOf, outcomeOf, progressOf } from './captured.ts';

const MiB = 1024 ** 2;
const failed = (node: string) =>
  outcomeOf(node, { status: 'failed', error: new ImgctlError('node_stalled', 'nothing came for 30 s') });

/** A model to which events happened at these seconds. */
function modelOf(
  names: readonly string[],
  events: readonly (readonly [second: number, event: DistributeEvent])[],
) {
  const model = new ProgressModel(names.map(addressOf));
  for (const [second, event] of events) model.apply(event, second * 1000);
  return model;
}

function canvas(columns: number, rows = 24, unicode = true) {
  return { columns, rows, style: createStyle(false), unicode };
}

const sending = (node: string, part = 50): [number, DistributeEvent][] => [
  [0, { type: 'phase', node, phase: 'sending' }],
  [0, progressOf(node, 0, 100 * MiB)],
  [5, progressOf(node, part * MiB, 100 * MiB)],
];

describe('live rows', () => {
  const model = modelOf(
    ['w1', 'w2', 'w3', 'w4', 'w5'],
    [
      ...sending('w1'),
      [1, { type: 'phase', node: 'w2', phase: 'unpacking' }],
      [1, { type: 'unpack', node: 'w2', image: 'docker.io/library/app:1', layers: 3, of: 8 }],
      [1, { type: 'outcome', outcome: outcomeOf('w3') }],
      [1, { type: 'outcome', outcome: failed('w4') }],
      [
        1,
        { type: 'retry', node: 'w5', attempt: 2, of: 3, delayMs: 1, error: new ImgctlError('internal', 'x') },
      ],
    ],
  );

  it('show bar, bytes, rate and time left in 80 columns', () => {
    expect(liveRows(model, canvas(80), 5_000)).toEqual([
      `  w1 ${'█'.repeat(13)}${'░'.repeat(14)}    50.0/100.0 MiB   10.0 MiB/s 0:05 left`.replace(
        '░'.repeat(14),
        '░'.repeat(14),
      ),
      '  w2 unpacking 3/8 docker.io/library/app:1',
      '✔ w3 imported, 1 image',
      '✖ w4 failed: nothing came for 30 s',
      '↻ w5 retry 2/3',
    ]);
  });

  it('are plain ASCII where there is no more', () => {
    const rows = liveRows(model, canvas(80, 24, false), 5_000).join('');
    expect(rows).toMatch(/^[\x20-\x7e]*$/);
    expect(rows).toContain('#####');
  });

  it.each([40, 60, 80, 120, 200])('fit into %i columns', (columns) => {
    const wide = modelOf(
      ['ノード-with-a-very-long-name-indeed.example', 'w2'],
      [
        ...sending('ノード-with-a-very-long-name-indeed.example'),
        [1, { type: 'outcome', outcome: failed('w2') }],
      ],
    );
    for (const row of liveRows(wide, canvas(columns), 5_000)) expect(textWidth(row)).toBeLessThan(columns);
  });

  it('use the room that there is, and drop the bar and then the rate where there is none', () => {
    const [narrow, usual, broad] = [40, 80, 200].map(
      (columns) => liveRows(model, canvas(columns), 5_000)[0] ?? '',
    );
    expect(narrow).not.toMatch(/█|MiB\/s/);
    expect(narrow).toContain('50.0/100.0 MiB');
    expect(usual).toMatch(/█.*MiB\/s/);
    expect(broad?.match(/[█░]/g)).toHaveLength(40);
  });

  it('never fill the screen: those at work are shown, the others counted', () => {
    const names = Array.from({ length: 300 }, (_, i) => `w${i}`);
    const many = modelOf(names, [
      ...names
        .slice(0, 200)
        .map((node): [number, DistributeEvent] => [1, { type: 'outcome', outcome: outcomeOf(node) }]),
      [1, { type: 'outcome', outcome: failed('w250') }],
      ...sending('w299'),
    ]);
    const rows = liveRows(many, canvas(80, 10), 5_000);
    expect(rows).toHaveLength(8);
    expect(rows.some((row) => row.includes('w299'))).toBe(true);
    expect(rows.at(-1)).toBe('  … and 293 more: 200 finished, 1 failed, 92 under way');
  });

  it('sum up above', () => {
    expect(liveHeader(model, 0, 5_000)).toBe('2/5 nodes, 1 failed, 50.0/100.0 MiB, 10.0 MiB/s, 0:05');
  });
});
