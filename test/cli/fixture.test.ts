import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { makeHello } from '../../fixtures/make-hello.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('fixtures/hello.tar', () => {
  it('is what its generator makes', async () => {
    const committed = readFileSync(`${root}fixtures/hello.tar`);
    expect((await makeHello()).equals(committed), 'run node fixtures/make-hello.ts').toBe(true);
  });
});

describe('npm run demo', () => {
  it('imports into three agents, shows it, and leaves nothing', () => {
    const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('imgctl-demo-'));
    const before = leftovers();
    const { status, stdout } = spawnSync(process.execPath, ['test/support/demo.ts'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stdout).toContain('Imported 1 image into 3 nodes');
    expect(stdout).toContain('Unchanged: 1 image already on 3 nodes.');
    expect(status).toBe(0);
    expect(leftovers().filter((name) => !before.includes(name))).toEqual([]);
  });
});
