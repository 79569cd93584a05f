import type { Command } from 'commander';

/** Where images are looked for, of every command that speaks to registries. */
export interface RegistryOptions {
  readonly registries?: string;
  readonly hostsDir?: string;
}

export function addRegistryOptions(command: Command): Command {
  return command
    .option(
      '--registries <file>',
      "mirrors and credentials as K3s has them (default: K3s's or RKE2's registries.yaml, where it is there)",
    )
    .option(
      '--hosts-dir <dir>',
      "containerd's directory of hosts.toml files (default: /etc/containerd/certs.d)",
    );
}
