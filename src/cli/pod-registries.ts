import { parseRegistriesFile } from '../config/registries/registries-file.ts';
import { type RegistryPlaces, readNamed, refuseBoth } from '../config/registries/registry-hosts.ts';
import type { PodRegistries } from '../deploy/kubernetes/settings.ts';
import { ImgctlError } from '../errors.ts';

/**
 * What agents in pods are told of registries, where something is. `check`: answers the directory as it is mounted.
 * @throws ImgctlError `config_invalid`, `usage`: both were named, or files that pods do not have
 */
export async function podRegistries(
  { registries, hostsDir }: Pick<RegistryPlaces, 'registries' | 'hostsDir'>,
  check: (path: string) => string,
): Promise<PodRegistries | undefined> {
  refuseBoth({ registries, hostsDir });
  if (hostsDir !== undefined) return { hostsDir: check(hostsDir) };
  if (registries === undefined) return undefined;
  const text = await readNamed(registries);
  const { hosts } = parseRegistriesFile(text, registries);
  const files = [...hosts.values()].flatMap(({ tls }) => [...(tls?.ca ?? []), ...(tls?.client ?? [])]);
  const named = files.filter((file) => file !== undefined);
  if (named.length > 0) throw filesMissing(registries, named);
  return { text };
}

function filesMissing(path: string, files: readonly string[]): ImgctlError {
  return new ImgctlError('usage', `${path} names files that pods do not have: ${files.join(', ')}`, {
    hint: 'Write it and them into a directory on each node (imgctl registries render --to DIR), and name that: --hosts-dir DIR.',
    context: { path },
  });
}
