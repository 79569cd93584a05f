import { describe, expect, it } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import { createJsonReporter } from '../../src/output/json.ts';
import { createNdjsonReporter } from '../../src/output/ndjson.ts';
import type { Reporter } from '../../src/output/reporter.ts';
import { addressOf, archive, Captured, digest, outcomeOf, progressOf, resultOf } from './captured.ts';

const error = new ImgctlError('node_unreachable', 'nothing listens there', {
  hint: 'Start the agent.',
  context: { node: 'w2', reason: undefined, port: 25000 },
  cause: new Error('ECONNREFUSED'),
});
const errorJson = {
  code: 'node_unreachable',
  message: 'nothing listens there',
  hint: 'Start the agent.',
  context: { node: 'w2', port: 25000 },
};
const failed = outcomeOf('w2', { status: 'failed', images: [], bytesSent: 0, bytesSkipped: 0, error });

function documentOf(act: (reporter: Reporter) => void): unknown {
  const [stdout, stderr] = [new Captured(), new Captured()];
  act(createJsonReporter({ stdout, stderr }));
  expect(stderr.text).toBe('');
  return JSON.parse(stdout.text);
}

describe('--output json', () => {
  it('is one document with the archive and each node', () => {
    const document = documentOf((json) => {
      json.note('x');
      json.warn('a warning');
      json.start({ archive, nodes: [addressOf('w1'), addressOf('w2')] });
      json.event(progressOf('w1', 1, 2));
      json.finish(resultOf([outcomeOf('w1'), failed], { advice: ['advice'] }));
      json.fail(error);
    });
    expect(document).toEqual({
      ok: false,
      archive: {
        images: [{ name: 'docker.io/library/app:1', digest, platforms: ['linux/amd64'] }],
        blobs: 3,
        bytes: 5_000_000,
      },
      nodes: [
        {
          node: 'w1',
          address: 'w1:25000',
          status: 'imported',
          images: [{ name: 'docker.io/library/app:1', digest, state: 'ready' }],
          bytesSent: 4_000_000,
          bytesFromPeers: 0,
          bytesSkipped: 1_000_000,
          durationMs: 1235,
          warnings: [],
        },
        {
          node: 'w2',
          address: 'w2:25000',
          status: 'failed',
          images: [],
          bytesSent: 0,
          bytesFromPeers: 0,
          bytesSkipped: 0,
          durationMs: 1235,
          warnings: [],
          error: errorJson,
        },
      ],
      durationMs: 2000,
      warnings: ['a warning', 'advice'],
    });
  });

  it('has the error alone when there was no outcome for any node', () => {
    expect(documentOf((json) => json.fail(error))).toEqual({
      ok: false,
      error: errorJson,
      nodes: [],
      warnings: [],
    });
  });

  it('says why an interrupted import stopped', () => {
    const interrupted = new ImgctlError('interrupted', 'interrupted');
    expect(documentOf((json) => json.finish(resultOf([failed], { error: interrupted })))).toMatchObject({
      ok: false,
      error: { code: 'interrupted' },
      nodes: [{ node: 'w2' }],
    });
  });

  it('shows what would be sent', () => {
    const preview = { node: 'w1', address: 'w1:1', blobs: 2, bytes: 10, bytesSkipped: 5 };
    const images = [{ name: 'app:1', digest, state: 'declared' as const }];
    const document = documentOf((json) => {
      json.start({ archive, nodes: [addressOf('w1')], dryRun: true });
      json.preview([{ ...preview, images }]);
    });
    expect(document).toEqual({ ok: true, dryRun: true, archive, nodes: [{ ...preview, images }] });
  });

  it('lists images, and removals, by node', () => {
    const image = { name: 'app:1', digest, mediaType: 'x', pinned: false };
    expect(
      documentOf((json) =>
        json.images([
          { node: 'w1', address: 'w1:1', images: [image] },
          { node: 'w2', address: 'w2:1', images: [], error },
        ]),
      ),
    ).toEqual({
      ok: false,
      nodes: [
        { node: 'w1', address: 'w1:1', images: [image] },
        { node: 'w2', address: 'w2:1', images: [], error: errorJson },
      ],
    });
    const removed = { node: 'w1', address: 'w1:1', image: 'app:1', removed: true };
    expect(documentOf((json) => json.removed([removed]))).toEqual({
      ok: true,
      nodes: [{ node: 'w1', address: 'w1:1', images: [{ name: 'app:1', removed: true }] }],
    });
    expect(documentOf((json) => json.removed([{ ...removed, removed: false }], [error]))).toMatchObject({
      ok: false,
      error: errorJson,
    });
  });

  it('holds no character that a terminal would obey', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    const text = 'a\u001b[2J\u009b31m\u202eb';
    createJsonReporter({ stdout, stderr }).fail(new ImgctlError('internal', text));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(stdout.text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(JSON.parse(stdout.text).error.message).toBe(text);
  });
});

describe('an archive that is sent while it is read', () => {
  it('is told of when it is known, and what was not needed with each node', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    const ndjson = createNdjsonReporter({ stdout, stderr });
    ndjson.start({ nodes: [addressOf('w1')] });
    ndjson.archive(archive);
    ndjson.finish(resultOf([outcomeOf('w1', { bytesUnneeded: 7 })]));
    const [start, known, result] = stdout.lines.map((line) => JSON.parse(line));
    expect(start).toEqual({ type: 'start', nodes: [addressOf('w1')] });
    expect(known).toEqual({ type: 'archive', archive });
    expect(result).toMatchObject({ archive, nodes: [{ bytesUnneeded: 7 }] });
  });

  it('is left out where it was not read to its end', () => {
    const document = documentOf((json) => {
      json.start({ nodes: [addressOf('w1')] });
      json.finish(resultOf([failed], { archive: undefined }));
    });
    expect(document).not.toHaveProperty('archive');
  });
});

describe('--output ndjson', () => {
  it('is every event a line, and the result the last', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    const ndjson = createNdjsonReporter({ stdout, stderr });
    ndjson.note('a note');
    ndjson.reading({ label: 'standard input', bytes: 10 });
    ndjson.reading({ label: 'standard input', bytes: 80 * 1024 ** 2 });
    ndjson.start({ archive, nodes: [addressOf('w2')] });
    ndjson.event({ type: 'retry', node: 'w2', attempt: 1, of: 3, delayMs: 5, error });
    ndjson.event({ type: 'outcome', outcome: failed });
    ndjson.finish(resultOf([failed]));
    ndjson.note('too late');
    const events = stdout.lines.map((line) => JSON.parse(line));
    expect(events.map(({ type }) => type)).toEqual([
      'note',
      'reading',
      'start',
      'retry',
      'outcome',
      'result',
    ]);
    expect(events[3]).toEqual({ type: 'retry', node: 'w2', attempt: 1, of: 3, delayMs: 5, error: errorJson });
    expect(events[4]).toMatchObject({ node: 'w2', status: 'failed', error: errorJson });
    expect(events[5]).toMatchObject({ ok: false, nodes: [{ node: 'w2' }] });
    expect(stderr.text).toBe('');
  });
});
