import { Command, CommanderError, type Option } from 'commander';
import { ImgctlError, toImgctlError } from '../errors.ts';
import { printText } from '../output/streams.ts';
import { commandGroups } from './command-groups.ts';
import { type CliIo, CommandContext } from './context.ts';
import { exitStatus, statusOfError } from './exit-codes.ts';
import { fitHelp } from './help-width.ts';
import { programVersion } from './version.ts';

const exitStatuses = `
Exit status:
  0    every image verified on every node
  1    no node has everything
  2    usage: a bad option, no archive, standard input is a terminal
  3    some nodes have everything, some do not
  4    refused before any byte moved
  5    not trusted: every node failed on token or certificate, or the bundle's signature is not good
  130  interrupted; imports are left on every node, resumable for an hour

Examples:
  imgctl images import < bundle.tar
  docker save app:1 | imgctl images import --nodes 10.0.4.17,10.0.4.18
  imgctl ctr image import nginx.tar
  imgctl agent run`;

/** The tree of commands; those that `wanted` has no use for are in it by name only. */
export async function buildProgram(
  context: CommandContext,
  wanted: (names: readonly string[]) => boolean = () => true,
): Promise<Command> {
  const program = new Command(context.io.programName ?? 'imgctl')
    .description('Puts container images onto every node of a cluster from an archive, without a registry.')
    .version(`imgctl ${programVersion()}`, '-V, --version', 'show the version')
    .helpCommand('help [command]', 'show help for a command')
    .enablePositionalOptions()
    .addHelpText('after', exitStatuses);
  for (const { names, summary, load } of commandGroups) {
    const command = wanted(names) ? (await load())(context) : new Command(names[0]);
    program.addCommand(command.aliases(names.slice(1)).summary(summary));
  }
  const helpWidth = Math.min(context.io.stdout.columns ?? 100, 120);
  forEachCommand(program, (command) => {
    command.options.forEach(nameInErrors);
    command
      .exitOverride()
      .helpOption('-h, --help', 'show help')
      .configureHelp({ helpWidth })
      .configureOutput({
        writeOut: (text) => printText(context.io.stdout, fitHelp(calledAs(program.name(), text), helpWidth)),
        writeErr: (text) => printText(context.io.stderr, fitHelp(text, helpWidth)),
        // Errors are shown by the reporter, in the form that was asked for
        outputError: () => {},
      });
  });
  return program;
}

export async function runProgram(argv: readonly string[], io: CliIo): Promise<number> {
  const context = new CommandContext(io, argv);
  // What is not named on the command line cannot be meant
  const program = await buildProgram(context, (names) => names.some((name) => argv.includes(name)));
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return context.status;
  } catch (thrown) {
    if (thrown instanceof CommanderError && isHelp(thrown))
      return thrown.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
    const { usageError } = await import('./usage-error.ts');
    const error =
      thrown instanceof CommanderError
        ? await usageError(thrown, commandNamed(program, argv), program.name(), () => buildProgram(context))
        : toImgctlError(thrown);
    (await context.failureReporter()).fail(error);
    return statusOfError(error);
  }
}

function isHelp({ code }: CommanderError): boolean {
  return code === 'commander.help' || code === 'commander.helpDisplayed' || code === 'commander.version';
}

/** The command that was meant, as far as it can be told: for `See … --help`. */
function commandNamed(program: Command, argv: readonly string[]): string {
  const words = [program.name()];
  let command = program;
  for (const arg of argv) {
    const child = command.commands.find((child) => child.name() === arg || child.aliases().includes(arg));
    if (child === undefined) continue;
    command = child;
    words.push(child.name());
  }
  return words.join(' ');
}

/** The examples in help, by the name that the program was called by. */
function calledAs(name: string, help: string): string {
  return name === 'imgctl' ? help : help.replace(/^( +|.*\| )imgctl (?=[a-z])/gm, `$1${name} `);
}

/** A value that is wrong is told with the option that it was given to. */
function nameInErrors(option: Option): void {
  const { parseArg } = option;
  if (parseArg === undefined) return;
  option.parseArg = <T>(value: string, previous: T): T => {
    try {
      return parseArg(value, previous);
    } catch (thrown) {
      if (!(thrown instanceof ImgctlError)) throw thrown;
      throw new ImgctlError(thrown.code, `${option.long}: ${thrown.message}`, { hint: thrown.hint });
    }
  };
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) forEachCommand(child, visit);
}
