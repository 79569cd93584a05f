import { Readable } from 'node:stream';
import { ImgctlError, printable } from '../../errors.ts';
import { type CommandResult, runCommand } from '../run-command.ts';
import { shellQuote } from './shell-quote.ts';
import type { SshHost } from './ssh-host.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface SshOptions {
  readonly env: Env;
  /** `Name=value` each, as ssh_config(5) has them; they count before our own and before its files. */
  readonly options: readonly string[];
}

interface RunOptions {
  readonly input?: Readable | string | undefined;
  /** Run as root by sudo, which must not ask for a password. */
  readonly sudo?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds in which a host takes something of what it is sent, or comes to an end; else it is given up. */
  readonly quietMs?: number | undefined;
}

/**
 * An agent that is started anew may let transfers finish for 45 s, and is then waited for. ssh itself notices only a
 * connection that is dead.
 */
const usualQuietMs = 150_000;

/** ssh's own failures, as against those of the program that it ran. */
const sshFailed = 255;

/** A host, through the system's own ssh: its configuration, keys, agent and known hosts are those that count. */
export class SshConnection {
  readonly #host: SshHost;
  readonly #options: SshOptions;

  constructor(host: SshHost, options: SshOptions) {
    this.#host = host;
    this.#options = options;
  }

  /**
   * Runs a script for a POSIX shell there. @throws ImgctlError `deploy_failed` where the host was not reached or
   * trusted, does nothing, or sudo refused; `interrupted`. A script that fails is its result.
   */
  async run(
    script: string,
    { input, sudo = false, signal, quietMs = usualQuietMs }: RunOptions = {},
  ): Promise<CommandResult> {
    const command = `${sudo ? 'sudo -n ' : ''}sh -c ${shellQuote(script)}`;
    const { env } = this.#options;
    const quiet = new AbortController();
    const timer = setTimeout(() => quiet.abort(), quietMs);
    const either = signal === undefined ? quiet.signal : AbortSignal.any([signal, quiet.signal]);
    try {
      const result = await runCommand('ssh', this.#arguments(command), {
        input: input instanceof Readable ? Readable.from(told(input, timer)) : input,
        signal: either,
        env,
      });
      if (result.status === sshFailed) throw notReached(result.stderr);
      if (sudo && sudoFailed.test(result.stderr) && (result.status === 1 || result.status === 127))
        throw noSudo(result.stderr);
      return result;
    } catch (error) {
      if (!quiet.signal.aborted || signal?.aborted) throw error;
      throw new ImgctlError('deploy_failed', `it has done nothing for ${quietMs / 1000} s`, {
        hint: 'Try ssh to that host by hand: a login script that waits, or a disk that hangs, holds it up.',
        context: { phase: 'ssh' },
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** The host's name or address, as ssh's configuration has it for the alias. */
  async address(signal?: AbortSignal): Promise<string> {
    const { env, options } = this.#options;
    const named = options.flatMap((option) => ['-o', option]);
    const args = ['-G', ...named, '--', this.#host.destination];
    const { stdout } = await runCommand('ssh', args, { signal, env });
    const address = /^hostname (.+)$/m.exec(stdout)?.[1];
    return address ?? this.#host.destination.replace(/^.*@/, '');
  }

  #arguments(command: string): string[] {
    // The first value that ssh hears of an option counts. Nobody is there to answer a question.
    const options = [
      'BatchMode=yes',
      ...this.#options.options,
      'ConnectTimeout=15',
      'ServerAliveInterval=10',
      'ServerAliveCountMax=3',
      'ForwardAgent=no',
      'ForwardX11=no',
      'ClearAllForwardings=yes',
      'RequestTTY=no',
      // Banners are not what went wrong
      'LogLevel=ERROR',
    ];
    return [...options.flatMap((option) => ['-o', option]), '-T', '--', this.#host.destination, command];
  }
}

/** What sudo says, or a shell that has none. */
const sudoFailed = /^sudo: |\bsudo: (?:command )?not found/m;

async function* told(input: Readable, timer: NodeJS.Timeout): AsyncGenerator<Uint8Array> {
  for await (const chunk of input) {
    timer.refresh();
    yield chunk;
  }
}

function notReached(stderr: string): ImgctlError {
  const said = lastLine(stderr);
  const known = reasons.find(([pattern]) => pattern.test(stderr));
  const [, message, hint] = known ?? [
    undefined,
    'ssh could not connect',
    'Try ssh to that host by hand: it must get in without a question.',
  ];
  return new ImgctlError('deploy_failed', `${message}${said && `: ${said}`}`, {
    hint,
    context: { phase: 'ssh' },
  });
}

const reasons: readonly (readonly [RegExp, string, string])[] = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    'its host key is not the one that ssh knows: nothing was sent',
    'Find out why: the host was set up anew, or somebody else answers. Then ssh-keygen -R HOST and connect once by hand.',
  ],
  [
    /Host key verification failed|No \S+ host key is known/,
    'ssh does not know its host key: nothing was sent',
    'Connect once by hand (ssh HOST) and compare the fingerprint, or put the key into ~/.ssh/known_hosts.',
  ],
  [
    /Permission denied/,
    'ssh was not let in',
    'Let your key in with ssh-copy-id, and load it into ssh-agent where it has a passphrase: no password can be typed here.',
  ],
  [
    /Could not resolve hostname/,
    'its name does not resolve',
    'Check the name, or write its address in its place.',
  ],
  [
    /Connection refused|timed out|No route to host|unreachable/i,
    'it cannot be reached by ssh',
    'Check the address, that the host is up, and that sshd listens; another port with --ssh-option Port=N.',
  ],
];

function noSudo(stderr: string): ImgctlError {
  return new ImgctlError('deploy_failed', `sudo refused: ${lastLine(stderr)}`, {
    hint: 'Name root (root@HOST), or allow that user sudo without a password (NOPASSWD).',
    context: { phase: 'sudo' },
  });
}

/** ssh says first what it warns of, and last what ended it. */
function lastLine(text: string): string {
  return printable(text.trim().split('\n').at(-1) ?? '').slice(0, 300);
}
