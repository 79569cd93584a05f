import type { Command } from 'commander';
import type { CommandContext } from './context.ts';

export interface CommandGroup {
  /** Its name, then its aliases. */
  readonly names: readonly [string, ...string[]];
  readonly summary: string;
  readonly load: () => Promise<(context: CommandContext) => Command>;
}

/** What stands behind `imgctl`. Loaded when it is named: `--help` shows names and summaries. */
export const commandGroups: readonly CommandGroup[] = [
  {
    names: ['images', 'image'],
    summary: 'import, list and remove images on every node',
    load: async () => (await import('./commands/images.ts')).imagesCommand,
  },
  {
    names: ['agent'],
    summary: "serve a node's image store to the command",
    load: async () => (await import('./commands/agent-run.ts')).agentCommand,
  },
  {
    names: ['ctr'],
    summary: "this machine's containerd, without an agent",
    load: async () => (await import('./commands/ctr.ts')).ctrCommand,
  },
  {
    names: ['completion'],
    summary: 'print a script that completes commands in a shell',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
];
