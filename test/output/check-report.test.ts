import { describe, expect, it } from 'vitest';
import type { DistributeEvent, NodeOutcome } from '../../src/distribute/outcome.ts';
import { type ErrorCode, ImgctlError } from '../../src/errors.ts';
import { createJsonReporter } from '../../src/output/json.ts';
import { createNdjsonReporter } from '../../src/output/ndjson.ts';
import { createPlainReporter } from '../../src/output/plain.ts';
import type { Reporter } from '../../src/output/reporter.ts';
import { createTtyReporter } from '../../src/output/tty.ts';
import { addressOf, archive, Captured, outcomeOf, resultOf } from './captured.ts';

function refusedBy(node: string, code: ErrorCode, message: string, hint?: string): NodeOutcome {
  const error = new ImgctlError(code, message, { hint, context: { node } });
  return outcomeOf(node, { status: 'refused', images: [], bytesSent: 0, bytesSkipped: 0, error });
}

const crio = refusedBy(
  'w1',
  'runtime_unsupported',
  'it runs CRI-O 1.30.4, imgctl needs containerd',
  'Leave it out.',
);
const bare = refusedBy('w2', 'node_unreachable', 'nothing listens there', 'Put the agent there.');
const bare2 = refusedBy('w3', 'node_unreachable', 'nothing listens there', 'Put the agent there.');
const held = refusedBy(
  'w4',
  'held_back',
  'nothing was sent, because w1 cannot take the images',
  'See there.',
);

function checkedOf(
  unfit: readonly NodeOutcome[],
  fit: readonly string[],
  waiting: readonly string[] = [],
): DistributeEvent {
  return {
    type: 'checked',
    nodes: [
      ...fit.map((node) => ({ node, ok: true })),
      ...unfit.map(({ node, status, error }) => ({ node, ok: false, status, error })),
    ],
    waiting,
  };
}

function run(reporter: Reporter, outcomes: readonly NodeOutcome[], checked: DistributeEvent): void {
  const early = outcomes.filter(({ error }) => error !== undefined);
  reporter.start({ archive, nodes: outcomes.map(({ node }) => addressOf(node)) });
  for (const outcome of early) reporter.event({ type: 'outcome', outcome });
  reporter.event(checked);
  for (const outcome of outcomes) if (!early.includes(outcome)) reporter.event({ type: 'outcome', outcome });
  reporter.finish(resultOf(outcomes));
}

const report = [
  'Not fit: 3 of 4 nodes',
  '  w1: refused (runtime_unsupported): it runs CRI-O 1.30.4, imgctl needs containerd',
  '  w2: refused (node_unreachable): nothing listens there',
  '  w3: refused (node_unreachable): nothing listens there',
  '  Hint (w1): Leave it out.',
  '  Hint (w2, w3): Put the agent there.',
];

describe('what was found before any byte moved', () => {
  it('is one report, a line a node, and is not said again', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    const outcomes = [crio, bare, bare2, outcomeOf('w4')];
    run(createPlainReporter({ stdout, stderr }), outcomes, checkedOf([crio, bare, bare2], ['w4']));
    expect(stderr.lines.slice(4)).toEqual([
      ...report,
      'w4: imported 1 image, 3.8 MiB sent in 1.2 s, 976.6 KiB there already',
    ]);
  });

  it('says once, at the end, that the others were held back', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    run(createPlainReporter({ stdout, stderr }), [crio, held], checkedOf([crio], ['w4']));
    expect(stderr.lines.slice(2)).toEqual([
      'Not fit: 1 of 2 nodes',
      '  w1: refused (runtime_unsupported): it runs CRI-O 1.30.4, imgctl needs containerd',
      '  Hint: Leave it out.',
      'Error [held_back]: nothing was sent, because w1 cannot take the images',
      '  node w4',
      '  Hint: See there.',
    ]);
  });

  it('names who has not answered, and says what becomes of them later', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    const plain = createPlainReporter({ stdout, stderr });
    plain.start({ archive, nodes: [addressOf('w1'), addressOf('w2')] });
    stderr.text = '';
    plain.event(checkedOf([], ['w1'], ['w2']));
    plain.event({ type: 'outcome', outcome: bare });
    expect(stderr.lines.slice(0, 3)).toEqual([
      'No answer yet: w2',
      'w2: refused after 1.2 s',
      'Error [node_unreachable]: nothing listens there',
    ]);
    plain.finish(resultOf([outcomeOf('w1'), bare]));
  });

  it('says nothing where all are fit, and of one node its error', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    run(
      createPlainReporter({ stdout, stderr }),
      [outcomeOf('w1'), outcomeOf('w2')],
      checkedOf([], ['w1', 'w2']),
    );
    expect(stderr.text).not.toContain('fit');
    stderr.text = '';
    run(createPlainReporter({ stdout, stderr }), [crio], checkedOf([crio], []));
    expect(stderr.lines.slice(1)).toEqual([
      'w1: refused after 1.2 s',
      'Error [runtime_unsupported]: it runs CRI-O 1.30.4, imgctl needs containerd',
      '  node w1',
      '  Hint: Leave it out.',
    ]);
  });

  it('stands above the live rows of a terminal, and is not said again', () => {
    const [stdout, stderr] = [new Captured(), new Captured({ columns: 120, rows: 30 })];
    const tty = createTtyReporter({ stdout, stderr, color: false, resultColor: false });
    run(tty, [crio, bare, bare2, outcomeOf('w4')], checkedOf([crio, bare, bare2], ['w4']));
    for (const line of report) expect(stderr.text.split(line)).toHaveLength(2);
    expect(stderr.text).not.toContain('Error [');
  });

  it('is an event of ndjson, and does not change the document of json', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    run(createNdjsonReporter({ stdout, stderr }), [crio, outcomeOf('w4')], checkedOf([crio], ['w4'], ['w9']));
    const events = stdout.lines.map((line) => JSON.parse(line));
    expect(events.find(({ type }) => type === 'checked')).toEqual({
      type: 'checked',
      nodes: [
        { node: 'w4', ok: true },
        {
          node: 'w1',
          ok: false,
          status: 'refused',
          error: {
            code: 'runtime_unsupported',
            message: 'it runs CRI-O 1.30.4, imgctl needs containerd',
            hint: 'Leave it out.',
            context: { node: 'w1' },
          },
        },
      ],
      waiting: ['w9'],
    });
    stdout.text = '';
    run(createJsonReporter({ stdout, stderr }), [crio], checkedOf([crio], []));
    expect(JSON.parse(stdout.text)).toMatchObject({ ok: false, nodes: [{ node: 'w1', status: 'refused' }] });
  });
});

describe('the table of results', () => {
  const outcomes = [
    outcomeOf('worker-01.example', {
      durationMs: 3_599_000,
      bytesSent: 1_072_000_000,
      bytesSkipped: 1_072_000_000,
    }),
    { ...crio, durationMs: 7_380_000 },
  ];
  const at = (columns: number, nodes = outcomes) => {
    const [stdout, stderr] = [new Captured({ columns, rows: 30 }), new Captured({ columns, rows: 30 })];
    const tty = createTtyReporter({ stdout, stderr, color: false, resultColor: false });
    tty.start({ archive, nodes: nodes.map(({ node }) => addressOf(node)) });
    tty.finish(resultOf(nodes));
    return stdout.lines.slice(0, -1);
  };

  it.each([65, 80, 100, 200])('fits a terminal of %i columns, however long it took', (columns) => {
    const lines = at(columns);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines.join('\n')).toContain('2 h 03 min');
    if (columns >= 80) expect(lines.join('\n')).toContain('worker-01.example');
  });

  it('keeps the codes where there is room, and cuts names where there is none', () => {
    expect(at(120).join('\n')).toContain('refused (runtime_unsupported)');
    const long = 'ip-10-0-4-17.eu-central-1.compute.internal.example';
    const lines = at(80, [outcomeOf(long)]);
    expect(lines[1]).toContain('ip-10-0-4-17.eu-central-1');
    expect(lines[1]).toContain('…');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
