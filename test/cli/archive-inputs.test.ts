import { closeSync, openSync } from 'node:fs';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { archiveInputs } from '../../src/cli/archive-inputs.ts';

const pipe = Readable.from([]);

describe('where archives come from', () => {
  it('is standard input when nothing is named', () => {
    expect(archiveInputs([], () => pipe)).toEqual([
      { kind: 'stream', stream: pipe, label: 'standard input' },
    ]);
  });

  it('is each file, and - in its place', () => {
    expect(archiveInputs(['a.tar', '-', 'b.tar'], () => pipe).map(({ kind }) => kind)).toEqual([
      'path',
      'stream',
      'path',
    ]);
  });

  it('is the descriptor itself for a regular file on standard input, so that it is read in place', () => {
    const fd = openSync(fileURLToPath(import.meta.url), 'r');
    const stdin = Object.assign(Readable.from([]), { fd });
    expect(archiveInputs(['-'], () => stdin)).toEqual([{ kind: 'fd', fd, label: 'standard input' }]);
    closeSync(fd);
  });

  it('is not a terminal', () => {
    const terminal = Object.assign(Readable.from([]), { isTTY: true });
    expect(() => archiveInputs([], () => terminal)).toThrow(
      expect.objectContaining({ code: 'no_archive', hint: expect.stringContaining('<') }),
    );
  });

  it('does not open standard input where it is not asked for', () => {
    expect(archiveInputs(['a.tar'], () => expect.unreachable())).toHaveLength(1);
  });
});
