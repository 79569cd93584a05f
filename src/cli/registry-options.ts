import { type Command, Option } from 'commander';
import { type PullSecretName, parsePullSecretName } from '../config/credentials/pull-secret-name.ts';

function addPullSecret(text: string, before: readonly PullSecretName[] = []): PullSecretName[] {
  return [...before, parsePullSecretName(text)];
}

/** Where images are looked for, of every command that speaks to registries. */
export interface RegistryOptions {
  readonly registries?: string;
  readonly hostsDir?: string;
  readonly pullSecret?: PullSecretName[];
}

/** Of whatever speaks to registries from where it runs. */
export function addRegistryPlaces(command: Command): Command {
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

export function addRegistryOptions(command: Command): Command {
  return addRegistryPlaces(command).addOption(
    new Option(
      '--pull-secret <secret>',
      "NAMESPACE/NAME of a pod's pull secret, tried before Docker's and the kubelet's config.json; again for several",
    ).argParser(addPullSecret),
  );
}
