import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

const read = (name: string) => readFile(new URL(`../${name}`, import.meta.url), 'utf8');

describe('README', () => {
  it('explains every error code that there is, and no other', async () => {
    const union = /export type ErrorCode =([^;]+);/.exec(await read('src/errors.ts'))?.[1] ?? '';
    const codes = [...union.matchAll(/'([a-z_]+)'/g)].map(([, code]) => code);
    const [, troubleshooting = ''] = (await read('README.md')).split('## Troubleshooting');
    const rows = troubleshooting.split('\n').filter((line) => line.startsWith('| `'));
    const explained = rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([a-z_]+)`/g)].map(([, code]) => code),
    );
    expect(codes.length).toBeGreaterThan(40);
    expect(explained.toSorted()).toEqual(codes.toSorted());
  });
});
