import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Builds dist/ before the tests: those that run bin/imgctl.js test the sources as they are now. With IMGCTL_KEEP_DIST
 * what is there stays beside it, for test runs that go on at the same time in one checkout.
 */
export default function buildDist(): void {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const script = process.env.IMGCTL_KEEP_DIST === undefined ? 'build' : 'bundle';
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', script], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`npm run ${script} failed:\n${stdout}${stderr}`);
}
