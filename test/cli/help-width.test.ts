import { describe, expect, it } from 'vitest';
import { CommandContext } from '../../src/cli/context.ts';
import { fitHelp } from '../../src/cli/help-width.ts';
import { run } from '../../src/cli/main.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { Captured } from '../output/captured.ts';

function terminal(columns: number) {
  const stdout = new Captured({ columns, rows: 50 });
  const io = {
    env: {},
    stdin: process.stdin,
    stdout,
    stderr: new Captured(),
    signal: new AbortController().signal,
  };
  return { stdout, io };
}

async function allCommands(): Promise<string[][]> {
  const program = await buildProgram(new CommandContext(terminal(80).io, []));
  const below = (command: typeof program, path: string[]): string[][] => [
    path,
    ...command.commands.flatMap((child) =>
      child.name() === 'help' ? [] : below(child, [...path, child.name()]),
    ),
  ];
  return below(program, []);
}

describe('help on a terminal', () => {
  it('of every command fits 80 columns', async () => {
    const commands = await allCommands();
    expect(commands.length).toBeGreaterThan(30);
    for (const command of commands) {
      const { stdout, io } = terminal(80);
      expect(await run([...command, '--help'], io)).toBe(0);
      expect(stdout.lines.filter((line) => line.length > 80)).toEqual([]);
    }
  });

  it('fills sentences anew, and leaves headings, lists and short examples as they are', () => {
    const help =
      'One two three\nfour five.\n\nSix:\n  a    one two three four five six\n  b    x\n\nExamples:\n  imgctl init\n';
    expect(fitHelp(help, 22)).toBe(
      'One two three four\nfive.\n\nSix:\n  a    one two three\n       four five six\n  b    x\n\nExamples:\n  imgctl init\n',
    );
    expect(fitHelp(help, 80)).toBe(help.replace('three\nfour', 'three four'));
  });

  it('has examples that can be copied where they take more than a line', () => {
    expect(fitHelp('Examples:\n  imgctl bundle create --sign key -o a.tar', 30)).toBe(
      'Examples:\n  imgctl bundle create \\\n    --sign key -o a.tar',
    );
  });
});
