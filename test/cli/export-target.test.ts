import { mkdirSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallArchive } from '../agent/archives.ts';
import { runCli } from '../support/cli.ts';

describe('a bundle that cannot be written', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-export-target-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const create = (out: string) =>
    runCli(['bundle', 'create', '--from-archive', '-', '-o', out], { input: smallArchive('app:1') });

  it('for want of room is no defect, and says what to do', async () => {
    const { status, stderr } = await create('/dev/full');
    expect(stderr).toMatch(/^Error \[output_failed\]: the archive cannot be written: ENOSPC/m);
    expect(stderr).toContain('Hint: Make room there');
    expect(status).toBe(1);
  });

  it('because a directory stands there leaves nothing beside it', async () => {
    const out = join(dir, 'directory');
    mkdirSync(out);
    const { status, stderr } = await create(out);
    expect(stderr).toContain(`${out} cannot be written: it is a directory`);
    expect(status).toBe(2);
    expect(readdirSync(dir)).toEqual(['directory']);
  });
});

describe('hosts.toml files', () => {
  it('that cannot be written are told by their place', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'imgctl-render-'));
    const registries = join(dir, 'registries.yaml');
    await writeFile(registries, 'mirrors: {docker.io: {endpoint: ["http://127.0.0.1:5000"]}}\n');
    const to = ['--to', join(registries, 'certs.d')];
    const { status, stderr } = await runCli(['registries', 'render', '--registries', registries, ...to]);
    await rm(dir, { recursive: true });
    expect(stderr).toContain('registries.yaml/certs.d/docker.io/hosts.toml cannot be written');
    expect(stderr).toContain('--to DIR');
    expect(status).toBe(2);
  });
});
