import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the package', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imgctl-test-package-'));
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('is installed from one file, without a network, and imports', async () => {
    // What is built is packed as it is: other tests run it meanwhile
    const { stdout } = await run(
      'npm',
      ['pack', '--ignore-scripts', '--json', '--pack-destination', directory],
      { cwd: root },
    );
    const file = join(directory, /"filename": "([^"]+)"/.exec(stdout)?.[1] ?? '');
    const prefix = join(directory, 'prefix');
    await run(
      'npm',
      ['install', '--global', '--offline', '--ignore-scripts', '--no-audit', '--prefix', prefix, file],
      {
        cwd: directory,
        env: { ...process.env, npm_config_cache: join(directory, 'cache') },
      },
    );
    const imgctl = join(prefix, 'bin', 'imgctl');
    const version = await run(imgctl, ['--version']);
    expect(version.stdout).toMatch(/^imgctl \d+\.\d+\.\d+\n$/);
    const plugin = await run(join(prefix, 'bin', 'kubectl-imgctl'), ['images', '--help']);
    expect(plugin.stdout).toMatch(/^Usage: kubectl imgctl images/);
    const store = join(directory, 'store');
    const imported = await run(imgctl, [
      'ctr',
      '-a',
      `oci:${store}`,
      'image',
      'import',
      join(root, 'fixtures', 'hello.tar'),
    ]);
    expect(imported.stdout).toContain('imported');
  }, 120_000);
});
