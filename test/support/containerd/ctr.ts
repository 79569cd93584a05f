import { type ChildProcess, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

export interface CtrResult {
  stdout: string;
  stderr: string;
  status: number;
}

export interface CtrOptions {
  /** what `ctr` reads on its standard input */
  input?: string | Buffer | Readable;
  /** a regular file as its standard input, as a shell's `< file` */
  inputFile?: string;
}

/** Runs one `ctr` to its end; a status other than 0 is a result, not an exception. */
export async function runCtr(
  command: string,
  args: string[],
  environment: NodeJS.ProcessEnv,
  options: CtrOptions,
  running: Set<ChildProcess>,
): Promise<CtrResult> {
  const file = options.inputFile === undefined ? undefined : await open(options.inputFile);
  try {
    const child = spawn(command, args, {
      env: environment,
      stdio: [file?.fd ?? (options.input === undefined ? 'ignore' : 'pipe'), 'pipe', 'pipe'],
      timeout: 120_000,
      killSignal: 'SIGKILL',
    });
    running.add(child);
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? -1));
    }).finally(() => running.delete(child));

    const [status, stdout, stderr] = await Promise.all([
      ended,
      child.stdout ? text(child.stdout) : '',
      child.stderr ? text(child.stderr) : '',
      child.stdin ? feed(options.input ?? '', child.stdin) : undefined,
    ]);
    return { stdout, stderr, status };
  } finally {
    await file?.close();
  }
}

async function feed(input: string | Buffer | Readable, stdin: NodeJS.WritableStream): Promise<void> {
  const source = input instanceof Readable ? input : Readable.from([input]);
  // A ctr that has read enough, or failed, closes its end: its status and standard error tell, not the pipe.
  await pipeline(source, stdin).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  });
}
