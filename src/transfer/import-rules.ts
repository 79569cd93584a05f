import type { Declaration } from '../agent-api/schemas.ts';
import { ImgctlError } from '../errors.ts';
import { parsePlatform } from '../image/platform.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import type { ImportOptions } from './import.ts';
import type { ImportRules } from './needs.ts';

/**
 * What a declaration asks for, with what this node is: it picks its own platform unless told.
 * @throws ImgctlError `platform_invalid`, `namespace_forbidden`
 */
export async function importRules(
  { store, labels, signal }: Pick<ImportOptions, 'store' | 'labels' | 'signal'>,
  { platforms, pin = false, unpack = true, keepContent = false, namespace }: Declaration,
): Promise<{ rules: ImportRules; choice: PlatformChoice }> {
  const info = await store.info(signal);
  if (namespace !== undefined && namespace !== info.namespace) {
    throw new ImgctlError(
      'namespace_forbidden',
      `this node imports into the namespace ${info.namespace}, not into ${namespace}`,
      {
        hint: `Leave the namespace out, or start the agent with --namespace ${namespace}.`,
      },
    );
  }
  const choice = platformChoice(platforms, info.platforms);
  const unpacks = unpack && info.snapshotter !== undefined;
  return {
    choice,
    rules: {
      pin,
      labels: labels ?? {},
      attribute: labels !== undefined,
      unpack: unpacks,
      keepContent,
      everyPlatform: choice.kind === 'all',
      hostPlatforms: info.platforms,
    },
  };
}

export function platformChoice(
  asked: readonly string[] | undefined,
  host: ImportRules['hostPlatforms'],
): PlatformChoice {
  if (asked === undefined) return { kind: 'hosts', platforms: host };
  if (asked.includes('all')) return { kind: 'all' };
  return { kind: 'named', platforms: asked.map(parsePlatform) };
}
