import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import type { Reporter } from '../../src/output/reporter.ts';
import { createTtyReporter } from '../../src/output/tty.ts';
import { addressOf, archive, Captured, digest, outcomeOf, progressOf, resultOf } from './captured.ts';

const beginFrame = '\u001b[?2026h';
const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';
const interrupted = new ImgctlError('interrupted', 'interrupted');

describe('output on a terminal', () => {
  let running: Reporter | undefined;
  afterEach(() => running?.fail(interrupted));

  function start(columns = 80) {
    const [stdout, stderr] = [new Captured({ columns, rows: 24 }), new Captured({ columns, rows: 24 })];
    const tty = createTtyReporter({ stdout, stderr, color: false, resultColor: false });
    running = tty;
    return { stdout, stderr, tty };
  }

  it('draws a frame in one write, ten times a second at most', async () => {
    const { stderr, tty } = start();
    tty.start({ archive, nodes: [addressOf('w1'), addressOf('w2')] });
    for (let i = 0; i < 50; i += 1) {
      tty.event(progressOf('w1', i, 100));
      await sleep(10);
    }
    const frames = stderr.writes.filter((text) => text.startsWith(beginFrame));
    expect(frames.length).toBeGreaterThanOrEqual(2);
    expect(frames.length).toBeLessThanOrEqual(8);
    for (const frame of frames) {
      expect(frame.split(beginFrame)).toHaveLength(2);
      expect(frame).toMatch(/w1.*\n.*w2/);
    }
    // Each after the first goes up to where the one before began
    for (const frame of frames.slice(1)) expect(frame).toContain('\u001b[2A');
  });

  it('hides the cursor while it draws, and gives it back, whatever happens', () => {
    for (const end of [
      (tty: Reporter) => tty.finish(resultOf([outcomeOf('w1')])),
      (tty: Reporter) => tty.fail(interrupted),
    ]) {
      const { stderr, tty } = start();
      tty.start({ archive, nodes: [addressOf('w1')] });
      expect(stderr.text).toContain(hideCursor);
      end(tty);
      expect(stderr.text.lastIndexOf(showCursor)).toBeGreaterThan(stderr.text.lastIndexOf(hideCursor));
    }
  });

  it('makes room for a remark above the rows', () => {
    const { stderr, tty } = start();
    tty.start({ archive, nodes: [addressOf('w1')] });
    stderr.writes.length = 0;
    tty.warn('something odd');
    const [erase, remark, frame] = stderr.writes;
    expect(erase).toBe('\r\u001b[1A\u001b[J');
    expect(remark).toBe('Warning: something odd\n');
    expect(frame).toContain(beginFrame);
  });

  it('knows how many lines a frame takes after the window was made narrower', async () => {
    const { stderr, tty } = start(80);
    tty.start({ archive, nodes: [addressOf('w1')] });
    tty.event({ type: 'phase', node: 'w1', phase: 'sending' });
    tty.event(progressOf('w1', 0, 1000));
    await sleep(250);
    stderr.writes.length = 0;
    stderr.columns = 40;
    await sleep(150);
    // The header and the row take two lines each now
    expect(stderr.writes[0]).toContain('\u001b[3A');
  });

  it('ends with a table on standard output, and errors below', () => {
    const { stdout, stderr, tty } = start();
    tty.start({ archive, nodes: [addressOf('w1'), addressOf('w2')] });
    const error = new ImgctlError('node_stalled', 'nothing came', { hint: 'Look.', context: { node: 'w2' } });
    const outcomes = [outcomeOf('w1'), outcomeOf('w2', { status: 'failed', images: [], error })];
    for (const outcome of outcomes) tty.event({ type: 'outcome', outcome });
    stderr.text = '';
    tty.finish(resultOf(outcomes));
    expect(stdout.lines[0]).toMatch(/^┌─+┬/);
    expect(stdout.lines.slice(1, 5).map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      '│ NODE │ STATUS │ IMAGES │ SENT │ PRESENT │ TIME │',
      expect.stringMatching(/^├─+┼/),
      '│ w1 │ imported │ 1/1 │ 3.8 MiB │ 976.6 KiB │ 1.2 s │',
      '│ w2 │ failed (node_stalled) │ 0/0 │ 3.8 MiB │ 976.6 KiB │ 1.2 s │',
    ]);
    expect(stripVTControlCharacters(stderr.text)).toContain(
      'Error [node_stalled]: nothing came\n  node w2\n  Hint: Look.\n',
    );
    expect(stdout.lines.at(-1)).toBe('1 of 2 nodes has everything (1 image).');
  });

  it('has plain columns where the table does not fit, and in a file', () => {
    const { stdout, tty } = start(30);
    tty.finish(resultOf([outcomeOf('w1')]));
    expect(stdout.text).not.toContain('│');
    const file = new Captured();
    createTtyReporter({ stdout: file, stderr: new Captured(), color: true, resultColor: false }).finish(
      resultOf([outcomeOf('w1')]),
    );
    expect(file.text).not.toContain('│');
    expect(file.text).not.toContain('\u001b');
  });

  it('cuts what it says between words, and leaves a command whole that a hint ends with', () => {
    const { stdout, stderr, tty } = start(50);
    tty.warn('every user of this machine can read the file with the token of the cluster');
    tty.done([
      'Wrote two images and nineteen blobs to the bundle app.tar.zst.',
      'ExecStart=imgctl agent run  --listen 127.0.0.1:25000 --x',
    ]);
    tty.checks([
      {
        status: 'fail',
        what: 'containerd',
        detail: 'none was found on this node at any of its places',
        hint: 'Start it.',
      },
    ]);
    expect(stdout.lines).toEqual([
      'Wrote two images and nineteen blobs to the bundle',
      '  app.tar.zst.',
      'ExecStart=imgctl agent run  --listen 127.0.0.1:25000 --x',
      'fail  containerd  none was found on this node at',
      '      any of its places',
      '      Hint: Start it.',
      '0 ok, 0 to look at, 1 failed',
    ]);
    tty.fail(
      new ImgctlError('node_unreachable', 'nothing listens at the address 127.0.0.1:25412', {
        hint: 'Start the agent there: imgctl agent run --listen :25412',
      }),
    );
    const said = stripVTControlCharacters(stderr.text).split('\n');
    expect(said.filter((line) => line !== '')).toEqual([
      'Warning: every user of this machine can read the',
      '  file with the token of the cluster',
      'Error [node_unreachable]: nothing listens at the',
      '  address 127.0.0.1:25412',
      '  Hint: Start the agent there:',
      '    imgctl agent run --listen :25412',
    ]);
  });

  it('sets what a row has no room for below it', () => {
    const { stdout, tty } = start(80);
    const name = 'registry.example.com/team/application/frontend:2.4.1';
    const image = { name, digest, mediaType: '', pinned: true, size: 2048, platforms: ['linux/amd64'] };
    tty.images([{ node: 'w1', address: '', images: [image] }]);
    const counts = { blobs: 2, bytes: 1024, bytesSkipped: 0 };
    tty.preview([{ node: 'w1', address: '', ...counts, images: [{ name, digest, state: 'declared' }] }]);
    const file = {
      ...{ path: '/images/application-frontend-2.4.1.tar.zst', kind: 'archive' as const, size: 2048 },
      ...{ since: '2026-01-01T00:00:00Z', state: 'ready' as const },
    };
    const status = {
      directory: '/images',
      files: [{ ...file, images: [{ name, digest, state: 'ready' as const }] }],
    };
    tty.imagesDirectories([{ node: 'w1', address: '', status }]);
    expect(stdout.lines).toEqual([
      `NODE  IMAGE                                                 SIZE`,
      `w1    ${name}  2.0 KiB`,
      `  sha256:${'d'.repeat(12)}, linux/amd64, pinned`,
      'NODE  WOULD BE  BLOBS TO SEND  BYTES    PRESENT',
      'w1    imported  2              1.0 KiB  0 B',
      `  ${name}`,
      'NODE  FILE                                SIZE     STATE',
      'w1    application-frontend-2.4.1.tar.zst  2.0 KiB  ready',
      `  ${name}`,
    ]);
  });

  it('shows what is being read', async () => {
    const { stderr, tty } = start();
    tty.reading({ label: 'standard input', bytes: 1024 });
    tty.reading({ label: 'standard input', bytes: 3 * 1024 ** 2 });
    await sleep(150);
    expect(stderr.text).toContain('Reading standard input: 3.0 MiB');
  });
});
