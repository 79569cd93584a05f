import { type ChildProcess, spawn } from 'node:child_process';

/** A command that prints its answer, run within bounds of time and size, without a shell. */

export interface PluginCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** What it reads on its standard input; empty unless given. */
  readonly input?: string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface PluginRun {
  /** Why there is no answer: what the error says of it. */
  readonly failure?: string | undefined;
  readonly missing: boolean;
  readonly stdout: string;
  /** Its last words. */
  readonly stderr: string;
}

const maxOutputBytes = 1024 * 1024;
const maxErrorChars = 2000;
/** For its output, once it has ended: its own children may hold that open. */
const graceMs = 1000;

/** @throws the signal's reason */
export async function runPlugin(command: PluginCommand): Promise<PluginRun> {
  const { file, args, env, input, timeoutMs, signal } = command;
  signal?.throwIfAborted();
  const stdin = input === undefined ? 'ignore' : 'pipe';
  const child = spawn(file, args, { env, stdio: [stdin, 'pipe', 'pipe'], windowsHide: true });
  // One that does not read all of it closes the pipe
  child.stdin?.on('error', () => undefined).end(input);
  const chunks: Buffer[] = [];
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = `${stderr}${chunk}`.slice(-maxErrorChars);
  });
  const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]);
  const run = (failure?: string, missing = false) => ({
    failure,
    missing,
    stdout: Buffer.concat(chunks).toString(),
    stderr,
  });
  try {
    const code = await ended(child, chunks, limit);
    if (code === 0) return run();
    return run(`it ended with ${typeof code === 'number' ? `status ${code}` : code}`);
  } catch (error) {
    signal?.throwIfAborted();
    if (limit.aborted) return run(`it did not end within ${Math.ceil(timeoutMs / 1000)} s`);
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return run('there is no such command', true);
    return run(error instanceof Error ? error.message : 'it could not be run');
  } finally {
    child.kill('SIGKILL');
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

/** Its status, or the signal that ended it. */
function ended(child: ChildProcess, chunks: Buffer[], signal: AbortSignal): Promise<number | string> {
  const { promise, resolve, reject } = Promise.withResolvers<number | string>();
  let bytes = 0;
  let grace: NodeJS.Timeout | undefined;
  const abort = () => reject(signal.reason);
  const settle = (code: number | null, killedBy: string | null) => resolve(code ?? killedBy ?? 'nothing');
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxOutputBytes) reject(new Error('it printed more than 1 MiB'));
    else chunks.push(chunk);
  });
  child.once('error', reject);
  child.once('close', settle);
  child.once('exit', (code, killedBy) => {
    grace = setTimeout(() => settle(code, killedBy), graceMs);
  });
  signal.addEventListener('abort', abort, { once: true });
  return promise.finally(() => {
    clearTimeout(grace);
    signal.removeEventListener('abort', abort);
  });
}
