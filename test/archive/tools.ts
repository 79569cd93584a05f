import { execFileSync, spawnSync } from 'node:child_process';

/** Other people's tools, as makers of input. */

export function hasTool(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** A tool's standard output. */
export function run(tool: string, args: readonly string[], input?: Uint8Array): Buffer {
  return execFileSync(tool, args, {
    input: input ?? '',
    maxBuffer: 2 ** 30,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}
