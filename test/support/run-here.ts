import { run } from '../../src/cli/main.ts';
import { Captured } from '../output/captured.ts';

/** The command line within this process: for tests that run it dozens of times, where a start each would be most of it. */
export async function runHere(
  args: readonly string[],
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const [stdout, stderr] = [new Captured(), new Captured()];
  const status = await run(args, {
    env: { HOME: '/nonexistent', KUBECONFIG: '/dev/null' },
    stdin: (async function* () {})(),
    stdout,
    stderr,
    signal: new AbortController().signal,
  });
  return { status, stdout: stdout.text, stderr: stderr.text };
}
