import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** The real program, as a user runs it. */
const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));

export interface CliOptions {
  /** A file on standard input, as `< file` gives it. */
  readonly inputFile?: string | undefined;
  /** A pipe on standard input. */
  readonly input?: Uint8Array | Readable | undefined;
  /** Where standard output goes in place of the result. */
  readonly stdoutFile?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** What stands before the program: `ip netns exec …`. */
  readonly prefix?: readonly string[] | undefined;
  /** Ends the program after so many milliseconds, so that a test that hangs says what it printed. */
  readonly timeoutMs?: number | undefined;
}

export interface CliResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly pid: number;
  readonly result: Promise<CliResult>;
  kill(signal?: NodeJS.Signals): void;
  /** What it printed so far. */
  printed(): { readonly stdout: string; readonly stderr: string };
}

export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const fd = options.inputFile === undefined ? undefined : openSync(options.inputFile, 'r');
  const out = options.stdoutFile === undefined ? undefined : openSync(options.stdoutFile, 'w');
  const [program = process.execPath, ...rest] = [...(options.prefix ?? []), process.execPath, bin, ...args];
  const child = spawn(program, rest, {
    stdio: [fd ?? (options.input === undefined ? 'ignore' : 'pipe'), out ?? 'pipe', 'pipe'],
    env: cleanEnvironment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  for (const opened of [fd, out]) if (opened !== undefined) closeSync(opened);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // A program that does not read to the end closes the pipe: that is its right
  child.stdin?.on('error', () => undefined);
  if (options.input instanceof Uint8Array) child.stdin?.end(options.input);
  else if (options.input !== undefined && child.stdin) options.input.pipe(child.stdin);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
  const result = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, stdout, stderr });
    });
  });
  return {
    pid: child.pid ?? 0,
    result,
    kill: (signal = 'SIGTERM') => child.kill(signal),
    printed: () => ({ stdout, stderr }),
  };
}

export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).result;
}

/** Nothing of the machine's own settings may change what a test sees: no configuration, no kubeconfig. */
function cleanEnvironment(extra: CliOptions['env']): NodeJS.ProcessEnv {
  const { PATH = '', TMPDIR } = process.env;
  return {
    PATH,
    HOME: emptyHome(),
    // Clusters whose kubeconfig the machine itself has are not looked for where one is named
    KUBECONFIG: '/dev/null',
    LANG: 'C.UTF-8',
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
    ...extra,
  };
}

let home: string | undefined;

/** One for each process of tests, gone with it. */
function emptyHome(): string {
  if (home === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'imgctl-test-home-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    home = made;
  }
  return home;
}
