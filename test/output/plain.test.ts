import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import { createPlainReporter } from '../../src/output/plain.ts';
import { createQuietReporter } from '../../src/output/quiet.ts';
import { addressOf, archive, Captured, digest, outcomeOf, progressOf, resultOf } from './captured.ts';

const unreachable = new ImgctlError('node_unreachable', 'nothing listens there', {
  hint: 'Start the agent.',
  context: { node: 'w2' },
});

describe('plain output', () => {
  let [stdout, stderr] = [new Captured(), new Captured()];
  beforeEach(() => {
    vi.useFakeTimers();
    [stdout, stderr] = [new Captured(), new Captured()];
  });
  afterEach(() => void vi.useRealTimers());

  const reporter = (progress = true) => createPlainReporter({ stdout, stderr, progress });

  it('opens with a line a node, as MicroK8s does', () => {
    reporter().start({ archive, nodes: [addressOf('10.0.4.17'), addressOf('10.0.4.18')] });
    expect(stderr.lines).toEqual([
      'Pushing OCI images to 10.0.4.17:25000',
      'Pushing OCI images to 10.0.4.18:25000',
    ]);
  });

  it('tells every five seconds where each node stands, until it is finished', () => {
    const plain = reporter();
    plain.start({ archive, nodes: [addressOf('w1'), addressOf('w2')] });
    plain.event({ type: 'phase', node: 'w1', phase: 'sending' });
    plain.event(progressOf('w1', 0, 100 * 1024 ** 2));
    vi.advanceTimersByTime(2_000);
    plain.event(progressOf('w1', 25 * 1024 ** 2, 100 * 1024 ** 2));
    stderr.text = '';
    vi.advanceTimersByTime(3_000);
    expect(stderr.lines).toEqual([
      'w1: sending 25.0/100.0 MiB (25 %), 5.0 MiB/s, 15.0 s left',
      'w2: connecting',
    ]);
    plain.event({ type: 'outcome', outcome: outcomeOf('w1') });
    plain.event({ type: 'phase', node: 'w2', phase: 'unpacking' });
    plain.event({ type: 'unpack', node: 'w2', image: 'app:1', layers: 3, of: 8 });
    stderr.text = '';
    vi.advanceTimersByTime(5_000);
    expect(stderr.lines).toEqual(['w2: unpacking 3/8, app:1']);
    plain.finish(resultOf([outcomeOf('w1'), outcomeOf('w2')]));
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sums up where many nodes are at work', () => {
    const plain = reporter();
    plain.start({ archive, nodes: Array.from({ length: 50 }, (_, i) => addressOf(`w${i}`)) });
    plain.event(progressOf('w1', 1024, 2048));
    stderr.text = '';
    vi.advanceTimersByTime(5_000);
    expect(stderr.lines).toEqual(['0 of 50 nodes finished, 1.0/2.0 KiB, 0 B/s']);
    plain.fail(unreachable);
  });

  it('tells each outcome and retry when it happens, and the sums at the end', () => {
    const plain = reporter();
    plain.start({ archive, nodes: [addressOf('w1'), addressOf('w2'), addressOf('w3')] });
    stderr.text = '';
    plain.event({ type: 'retry', node: 'w2', attempt: 1, of: 3, delayMs: 500, error: unreachable });
    const outcomes = [
      outcomeOf('w1'),
      outcomeOf('w2', { status: 'failed', images: [], bytesSent: 0, bytesSkipped: 0, error: unreachable }),
      outcomeOf('w3', { status: 'unchanged', bytesSent: 0, bytesSkipped: 5_000_000 }),
    ];
    const nodes = outcomes.map(({ node }) => ({ node, ok: true }));
    plain.event({ type: 'checked', nodes, waiting: [] });
    for (const outcome of outcomes) plain.event({ type: 'outcome', outcome });
    plain.finish(resultOf(outcomes, { advice: ['write a policy'] }));
    expect(stderr.lines).toEqual([
      'w2: retry 1 of 3 in 500 ms: [node_unreachable] nothing listens there',
      'w1: imported 1 image, 3.8 MiB sent in 1.2 s, 976.6 KiB there already',
      'w2: failed after 1.2 s',
      'Error [node_unreachable]: nothing listens there',
      '  node w2',
      '  Hint: Start the agent.',
      'w3: unchanged, 1 image (4.8 MiB) there already',
      'Warning: write a policy',
    ]);
    expect(stdout.lines).toEqual([
      'NODE  STATUS                     IMAGES  SENT     PRESENT    TIME',
      'w1    imported                   1/1     3.8 MiB  976.6 KiB  1.2 s',
      'w2    failed (node_unreachable)  0/0     0 B      0 B        1.2 s',
      'w3    unchanged                  1/1     0 B      4.8 MiB    1.2 s',
      '2 of 3 nodes have everything (1 image).',
    ]);
  });

  it('says what each image failed for, beside the error of the node', () => {
    const plain = reporter();
    const failed = outcomeOf('w1', {
      status: 'failed',
      images: [
        { name: 'a:1', digest, state: 'failed', error: { code: 'unpack_failed', message: 'bad layer' } },
        {
          name: 'b:1',
          digest,
          state: 'failed',
          error: { code: 'store_full', message: 'full', hint: 'Free some.' },
        },
      ],
      error: new ImgctlError('unpack_failed', 'bad layer', { context: { node: 'w1', image: 'a:1' } }),
    });
    plain.finish(resultOf([failed]));
    expect(stderr.lines).toEqual([
      'Error [unpack_failed]: bad layer',
      '  node w1, image a:1',
      '  image b:1 on w1 [store_full]: full',
      '    Hint: Free some.',
    ]);
  });

  it('says an error that met many nodes once', () => {
    const outcomes = ['w1', 'w2', 'w3'].map((node) =>
      outcomeOf(node, {
        status: 'failed',
        images: [],
        error: new ImgctlError('node_unreachable', `${node} is down`, { context: { node } }),
      }),
    );
    reporter().finish(resultOf(outcomes));
    expect(stderr.lines).toEqual(['Error [node_unreachable]: w1 is down', '  The same on w2, w3']);
    expect(stdout.lines.at(-1)).toBe('No node has everything (3 nodes, 1 image).');
  });

  it('says that nothing changed, and what was imported', () => {
    reporter().finish(resultOf([outcomeOf('w1', { status: 'unchanged' })]));
    expect(stdout.lines.at(-1)).toBe('Unchanged: 1 image already on 1 node.');
    reporter().finish(resultOf([outcomeOf('w1'), outcomeOf('w2', { status: 'unchanged', bytesSent: 0 })]));
    expect(stdout.lines.at(-1)).toBe('Imported 1 image into 2 nodes: 3.8 MiB sent in 2.0 s.');
  });

  it('says what went to nodes early and was not needed, and what is not known of an archive', () => {
    const early = outcomeOf('w1', { bytesUnneeded: 1_000_000 });
    reporter().finish(resultOf([early]));
    expect(stdout.lines.at(-1)).toBe(
      'Imported 1 image into 1 node: 3.8 MiB sent in 2.0 s. 976.6 KiB of that went there early, and was not needed.',
    );
    reporter().event({ type: 'outcome', outcome: early });
    expect(stderr.lines.at(-1)).toContain('976.6 KiB not needed');
    const unchanged = outcomeOf('w1', {
      status: 'unchanged',
      bytesSent: 1_000_000,
      bytesUnneeded: 1_000_000,
    });
    reporter().finish(resultOf([unchanged]));
    expect(stdout.lines.at(-1)).toBe(
      'Unchanged: 1 image already on 1 node. 976.6 KiB went there before that was known.',
    );
    reporter().finish(resultOf([outcomeOf('w1', { status: 'failed' })], { archive: undefined }));
    expect(stdout.lines.at(-1)).toBe('No node has everything (1 node).');
  });

  it('has no lines on progress with --no-progress', () => {
    const plain = reporter(false);
    plain.start({ archive, nodes: [addressOf('w1')] });
    plain.reading({ label: 'x', bytes: 1 });
    vi.advanceTimersByTime(60_000);
    plain.reading({ label: 'x', bytes: 2 });
    expect(stderr.lines).toEqual(['Pushing OCI images to w1:25000']);
  });

  it('shows what would be sent where, without claiming to push', () => {
    const plain = reporter();
    plain.start({ archive, nodes: [addressOf('w1')], dryRun: true });
    plain.preview([
      {
        ...{ node: 'w1', address: 'w1:25000', blobs: 2, bytes: 1024, bytesSkipped: 0 },
        images: [{ name: 'app:1', digest, state: 'declared' }],
      },
      {
        node: 'w2',
        address: 'w2:25000',
        blobs: 0,
        bytes: 0,
        bytesSkipped: 0,
        images: [],
        error: unreachable,
      },
    ]);
    expect(stdout.lines).toEqual([
      'NODE  IMAGE  WOULD BE                    BLOBS TO SEND  BYTES    PRESENT',
      'w1    app:1  imported                    2              1.0 KiB  0 B',
      'w2    -      refused (node_unreachable)  0              0 B      0 B',
    ]);
    expect(stderr.lines).toEqual([
      'Not fit: 1 of 2 nodes',
      '  w2: node_unreachable: nothing listens there',
      '  Hint: Start the agent.',
    ]);
  });

  it('lists images, and what was removed', () => {
    const image = {
      name: 'app:1',
      digest,
      mediaType: '',
      pinned: true,
      size: 2048,
      platforms: ['linux/amd64'],
    };
    reporter().images([{ node: 'w1', address: '', images: [image] }]);
    expect(stdout.lines).toEqual([
      'NODE  IMAGE  DIGEST               SIZE     PLATFORMS    PINNED',
      `w1    app:1  sha256:${'d'.repeat(12)}  2.0 KiB  linux/amd64  yes`,
    ]);
    stdout.text = '';
    const unknown = new ImgctlError('image_unknown', 'no node has b:1', { context: { image: 'b:1' } });
    reporter().removed(
      [
        { node: 'w1', address: '', image: 'a:1', removed: true },
        { node: 'w2', address: '', image: 'a:1', removed: false },
        { node: 'w1', address: '', image: 'b:1', removed: false },
      ],
      [unknown],
    );
    expect(stdout.lines).toEqual(['w1: removed a:1', 'w2: a:1 was not there']);
    expect(stderr.text).toContain('no node has b:1');
  });

  it('lets no control character of an archive or a peer through', () => {
    const evil = 'x\u001b[2J\u0007';
    const plain = reporter();
    plain.start({ archive, nodes: [{ name: evil, address: evil }] });
    plain.event({ type: 'warning', node: evil, message: evil });
    plain.event({ type: 'outcome', outcome: outcomeOf(evil) });
    plain.images([
      { node: evil, address: '', images: [{ name: evil, digest, mediaType: '', pinned: false }] },
    ]);
    plain.finish(resultOf([outcomeOf(evil)]));
    expect(stdout.text + stderr.text).not.toContain('\u001b');
  });
});

describe('quiet output', () => {
  it('is errors, and the names of a listing', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    const quiet = createQuietReporter({ stdout, stderr });
    quiet.note('x');
    quiet.warn('x');
    quiet.start({ archive, nodes: [addressOf('w1')] });
    quiet.finish(resultOf([outcomeOf('w1')], { advice: ['x'] }));
    expect(stdout.text + stderr.text).toBe('');
    quiet.finish(resultOf([outcomeOf('w2', { status: 'failed', error: unreachable })]));
    expect(stderr.lines[0]).toBe('Error [node_unreachable]: nothing listens there');
    const image = { name: 'app:1', digest, mediaType: '', pinned: false };
    quiet.images([
      { node: 'w1', address: '', images: [image] },
      { node: 'w2', address: '', images: [image] },
    ]);
    expect(stdout.text).toBe('app:1\n');
  });
});
