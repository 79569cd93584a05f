import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ImgctlError } from '../errors.ts';

/**
 * deploy/ gets the agent onto nodes: a service of systemd on this one, that over ssh on others, a DaemonSet, and what a
 * support engineer looks at first. It speaks to no agent: who composes it hands in what asks whether one answers.
 * May import: errors, streams, image; yaml.
 */

export interface CommandOptions {
  readonly input?: Readable | string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface CommandResult {
  /** Null where a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Milliseconds in which a program that was told to end does so. */
const endsWithinMs = 2_000;

/** Of either output; what a program says beyond is dropped. */
const maxOutput = 1024 * 1024;

/**
 * Runs a program of the PATH to its end, without a shell, and answers whatever became of it.
 * @throws ImgctlError `deploy_failed` where it cannot be started, `interrupted`; what `input` throws
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  { input, signal, env }: CommandOptions = {},
): Promise<CommandResult> {
  if (signal?.aborted) throw new ImgctlError('interrupted', 'interrupted', { cause: signal.reason });
  const child = spawn(program, args, {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(env === undefined ? {} : { env: { ...env } }),
  });
  let last: NodeJS.Timeout | undefined;
  const end = () => {
    child.kill('SIGTERM');
    last ??= setTimeout(() => {
      child.kill('SIGKILL');
      // What it started may live on, and holds them open
      for (const stream of child.stdio) stream?.destroy();
    }, endsWithinMs);
  };
  signal?.addEventListener('abort', end, { once: true });
  try {
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', (cause) => reject(notStarted(program, cause)));
      child.once('close', (status) => resolve(status));
    });
    const [status, stdout, stderr] = await Promise.all([
      ended,
      textOf(child.stdout),
      textOf(child.stderr),
      child.stdin === null ? undefined : feed(child.stdin, input ?? '', end),
    ]);
    if (signal?.aborted) throw new ImgctlError('interrupted', 'interrupted', { cause: signal.reason });
    return { status, stdout, stderr };
  } finally {
    clearTimeout(last);
    signal?.removeEventListener('abort', end);
  }
}

async function textOf(stream: Readable | null): Promise<string> {
  let text = '';
  try {
    for await (const chunk of stream?.setEncoding('utf8') ?? [])
      if (text.length < maxOutput) text += String(chunk).slice(0, maxOutput - text.length);
  } catch {
    // It broke off: what came is what there is
  }
  return text;
}

/** A program that leaves its input unread has its reasons, and its status tells them; a source that fails ends it. */
async function feed(stdin: NodeJS.WritableStream, input: Readable | string, end: () => void): Promise<void> {
  try {
    await pipeline(typeof input === 'string' ? [input] : input, stdin);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    end();
    throw error;
  }
}

function notStarted(program: string, cause: Error): ImgctlError {
  const missing = 'code' in cause && cause.code === 'ENOENT';
  return new ImgctlError(
    'deploy_failed',
    missing ? `there is no ${program} on the PATH` : `${program} could not be started`,
    {
      hint: missing ? hints[program] : undefined,
      cause,
    },
  );
}

const hints: Readonly<Record<string, string>> = {
  systemctl:
    'This machine has no systemd: start the agent with its own service manager, imgctl agent run, or as a DaemonSet, imgctl agent manifest.',
  ssh: 'Install the OpenSSH client.',
};
