import { join, resolve } from 'node:path';
import type { ImportOptions } from '../transfer/import.ts';
import { defaultDataDir } from '../trust/token-file.ts';
import type { AgentLimits } from './http/context.ts';
import { ImagesDirectory, type ImagesDirectoryOptions } from './images-dir/images-directory.ts';
import type { Pull } from './images-dir/pull-list.ts';
import type { NodeRegistries } from './registries/node-registries.ts';
import { pullIntoStore } from './registries/pull-into-store.ts';

interface DirectorySettings {
  readonly imagesDir?: string | undefined;
  readonly imagesDirConcurrency?: number | undefined;
  readonly imagesDirPrune?: boolean | undefined;
  readonly dataDir?: string | undefined;
}

interface DirectoryParts extends Pick<ImagesDirectoryOptions, 'log' | 'onRead'> {
  readonly imports: Omit<ImportOptions, 'signal'>;
  readonly registries: NodeRegistries;
  readonly limits: AgentLimits;
  readonly verifier: ImagesDirectoryOptions['verifier'];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Watches the images directory, if one is named; what files gave is remembered beside the token. */
export async function openImagesDirectory(
  {
    imagesDir,
    imagesDirConcurrency: concurrency = 2,
    imagesDirPrune: prune = false,
    dataDir,
  }: DirectorySettings,
  { imports, registries, limits, env, log, onRead, verifier }: DirectoryParts,
): Promise<ImagesDirectory | undefined> {
  if (imagesDir === undefined) return undefined;
  const directory = resolve(imagesDir);
  const memory = join(resolve(dataDir ?? defaultDataDir(env)), 'images-dir.json');
  const { settleMs, scanMs, backOffMs: firstMs, backOffMostMs: mostMs } = limits;
  log.info({ directory, ...(verifier && { key: verifier.id }) }, 'watching images directory');
  return ImagesDirectory.open({
    verifier,
    settings: { directory, memory, concurrency, prune },
    times: { settleMs, scanMs, backOff: { firstMs, mostMs } },
    importsInto: (signal) => ({ ...imports, signal }),
    pull: pullBy({ imports, registries }),
    log,
    onRead,
  });
}

/** By the node's own way to its registries; where that is none, by ours, with the mirrors that are configured there. */
function pullBy({ imports, registries }: Pick<DirectoryParts, 'imports' | 'registries'>): Pull {
  return async (reference, signal) => {
    const { store } = imports;
    if (store.pullImage !== undefined) return store.pullImage(reference, signal);
    return pullIntoStore(reference, { registries, imports }, signal);
  };
}
