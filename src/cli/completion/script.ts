import type { Command } from 'commander';
import { bashScript } from './bash.ts';
import { fishScript } from './fish.ts';
import type { CompletionShell } from './shells.ts';
import { completionTree } from './tree.ts';
import { zshScript } from './zsh.ts';

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** The script that a shell loads to complete what `program` understands. */
export function completionScript(shell: CompletionShell, program: Command): string {
  return scripts[shell](completionTree(program));
}
