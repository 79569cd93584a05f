import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';

/** Nothing listens on port 1. */
const nodes = ['--nodes', '127.0.0.1:1'];

describe('what is no list of images is told with what to do', () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'imgctl-wrong-list-'));
    await writeFile(join(cwd, 'app.yaml'), 'apiVersion: v1\nkind: Pod\n');
    await mkdir(join(cwd, 'chart'));
    await writeFile(join(cwd, 'chart/Chart.yaml'), 'name: web\n');
    await writeFile(join(cwd, 'chart.tgz'), Buffer.from([0x1f, 0x8b, 8, 0, 0xff]));
  });
  afterAll(() => rm(cwd, { recursive: true, force: true }));

  it.each<[what: string, args: string[], hint: string]>([
    [
      'manifests for images pull',
      ['images', 'pull', '-f', 'app.yaml', ...nodes],
      'imgctl bundle create -f FILE',
    ],
    [
      'the directory of a Helm chart',
      ['bundle', 'create', '-f', 'chart', '-o', 'x.tar'],
      'It is a Helm chart: helm template chart | imgctl bundle create -f -',
    ],
    ['a packed Helm chart', ['bundle', 'create', '-f', 'chart.tgz', '-o', 'x.tar'], 'helm template CHART |'],
  ])('%s', async (_, args, hint) => {
    const { status, stderr } = await runCli(args, { cwd });
    expect(stderr).toContain(hint);
    expect(status).toBe(2);
  });
});
