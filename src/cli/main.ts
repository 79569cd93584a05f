import { printText } from '../output/streams.ts';
import type { CliIo } from './context.ts';
import { programVersion } from './version.ts';

/**
 * The command line: arguments in, exit status out. A command parses, calls one use-case and hands its events to a
 * reporter.
 *
 * Promises: never ends the process, never writes but through output/, and answers `--version` and `--help` at once:
 * whatever is heavy is imported when it is used. May import: everything; commander here and nowhere else.
 */

/** Runs one command line (without `node` and the script). Never throws: an error is shown, and is the status. */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  // Before anything else is loaded: scripts ask for it in loops
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    printText(io.stdout, `imgctl ${programVersion()}\n`);
    return 0;
  }
  const { runProgram } = await import('./program.ts');
  return runProgram(argv, io);
}
