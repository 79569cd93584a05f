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
    summary: 'import, pull, list, remove and share images of every node',
    load: async () => (await import('./commands/images.ts')).imagesCommand,
  },
  {
    names: ['bundle'],
    summary: 'make bundles, look at them, and verify them',
    load: async () => (await import('./commands/bundle.ts')).bundleCommand,
  },
  {
    names: ['nodes', 'node'],
    summary: 'list the nodes of the cluster, and the agents on them',
    load: async () => (await import('./commands/nodes.ts')).nodesCommand,
  },
  {
    names: ['agent'],
    summary: "serve a node's image store to the command",
    load: async () => (await import('./commands/agent.ts')).agentCommand,
  },
  {
    names: ['registries', 'registry'],
    summary: 'say where images would be pulled from, and configure containerd',
    load: async () => (await import('./commands/registries.ts')).registriesCommand,
  },
  {
    names: ['init'],
    summary: 'make the certificates and the token of a cluster',
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  {
    names: ['token'],
    summary: 'change the token of a cluster',
    load: async () => (await import('./commands/token.ts')).tokenCommand,
  },
  {
    names: ['ctr'],
    summary: "this machine's containerd, without an agent",
    load: async () => (await import('./commands/ctr.ts')).ctrCommand,
  },
  {
    names: ['config'],
    summary: 'clusters by name, and their settings',
    load: async () => (await import('./commands/config.ts')).configCommand,
  },
  {
    names: ['doctor'],
    summary: 'look for what is wrong, and say what to do',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  {
    names: ['completion'],
    summary: 'print a script that completes commands in a shell',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
];
