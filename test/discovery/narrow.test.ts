import { describe, expect, it } from 'vitest';
import { narrowed, narrowNodes } from '../../src/discovery/narrow.ts';
import { parseNodeList } from '../../src/discovery/static.ts';
import { ImgctlError } from '../../src/errors.ts';

const nodes = parseNodeList('cp=10.0.4.16,worker-1=[fd00::17],worker-2=node-2.example:25001', {
  defaultPort: 25000,
});
const names = (only: string[] | undefined, exclude: string[] = []) =>
  narrowNodes(nodes, { only, exclude }).map(({ name }) => name);

function refusal(act: () => unknown): ImgctlError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof ImgctlError) return thrown;
    throw thrown;
  }
  throw new Error('was not refused');
}

describe('narrowing the nodes that were found', () => {
  it.each([
    [
      ['worker-1', 'cp'],
      ['cp', 'worker-1'],
    ],
    [['10.0.4.16:25000'], ['cp']],
    [['10.0.4.16'], ['cp']],
    [['http://10.0.4.16/'], ['cp']],
    [['FD00::17'], ['worker-1']],
    [['[fd00::17]:25000'], ['worker-1']],
    [['Node-2.Example'], ['worker-2']],
    [['cp', '10.0.4.16'], ['cp']],
  ])('keeps %j alone, in the order in which they were found', (only, expected) => {
    expect(names(only)).toEqual(expected);
  });

  it('leaves out by name or address', () => {
    expect(names(undefined, ['cp', 'fd00::17'])).toEqual(['worker-2']);
    expect(names(['cp', 'worker-1'], ['cp'])).toEqual(['worker-1']);
  });

  it('refuses all names at once that no node has, with what was probably meant', () => {
    const error = refusal(() => names(['worker1', 'cp'], ['db', '10.0.4.99']));
    expect(error.code).toBe('node_unknown');
    expect(error.message).toContain('"worker1", "db", "10.0.4.99"');
    expect(error.message).not.toContain('"cp"');
    expect(error.hint).toBe('Did you mean worker-1? There are: cp, worker-1, worker-2.');
    expect(error.context.nodes).toEqual(['worker1', 'db', '10.0.4.99']);
  });

  it('lists a few of thousands', () => {
    const many = parseNodeList(
      Array.from({ length: 2000 }, (_, i) => `n${i}=10.1.${i >> 8}.${i & 255}`).join(),
      {
        defaultPort: 25000,
      },
    );
    const { hint = '' } = refusal(() => narrowNodes(many, { only: ['x'], exclude: [] }));
    expect(hint).toMatch(/and 1988 more/);
    expect(hint.length).toBeLessThan(200);
  });

  it('refuses to leave nobody', () => {
    expect(refusal(() => names(undefined, ['cp', 'worker-1', 'worker-2'])).message).toBe(
      'every node is left out',
    );
  });

  it('is part of finding them', async () => {
    const found = { find: async () => ({ nodes, note: 'found' }) };
    const { find } = narrowed(found, { exclude: ['cp'] });
    expect(await find()).toMatchObject({
      nodes: [{ name: 'worker-1' }, { name: 'worker-2' }],
      note: 'found',
    });
    expect(narrowed(found, { exclude: [] })).toBe(found);
    await expect(narrowed(found, { only: ['x'], exclude: [] }).find()).rejects.toMatchObject({
      code: 'node_unknown',
    });
  });
});
