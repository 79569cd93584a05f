import type { OutputFormat } from '../output/create-reporter.ts';
import type { Reporter } from '../output/reporter.ts';
import type { OutputStream } from '../output/streams.ts';
import type { OutputOptions } from './options.ts';

/** What a process hands to the program: nothing in it reaches for globals. */
export interface CliIo {
  /** What the program is called by: `imgctl` unless told, `kubectl imgctl` as a plugin. */
  readonly programName?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** Ctrl-C, or a service manager that wants it to end. */
  readonly signal: AbortSignal;
}

export interface InputStream extends AsyncIterable<Uint8Array> {
  readonly isTTY?: boolean | undefined;
  /** Its descriptor, where it has one. */
  readonly fd?: number | undefined;
}

/** One run of the command line: what its command reports to, and the exit status that it decides. */
export class CommandContext {
  readonly io: CliIo;
  status = 0;
  readonly #argv: readonly string[];
  #reporter: Promise<Reporter> | undefined;

  constructor(io: CliIo, argv: readonly string[]) {
    this.io = io;
    this.#argv = argv;
  }

  /** The reporter that the command's options ask for: made once. */
  reporter(options: OutputOptions): Promise<Reporter> {
    this.#reporter ??= this.#create({ ...options, format: options.output });
    return this.#reporter;
  }

  /** For an error: the command's reporter, or one as far as the arguments tell, where they were not understood. */
  failureReporter(): Promise<Reporter> {
    this.#reporter ??= this.#create({
      format: this.#askedFormat(),
      progress: false,
      color: !this.#argv.includes('--no-color'),
    });
    return this.#reporter;
  }

  async #create(options: { format: OutputFormat; quiet?: boolean; progress: boolean; color: boolean }) {
    const { createReporter } = await import('../output/create-reporter.ts');
    const { env, stdout, stderr } = this.io;
    return createReporter({ ...options, env, stdout, stderr });
  }

  #askedFormat(): OutputFormat {
    const asked = this.#argv.map((arg, i) =>
      arg === '--output' || arg === '-o' ? this.#argv[i + 1] : /^(?:--output=|-o)(.+)$/.exec(arg)?.[1],
    );
    return asked.includes('json') ? 'json' : asked.includes('ndjson') ? 'ndjson' : 'text';
  }
}
