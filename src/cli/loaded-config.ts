import type { Config } from '../config/config.ts';
import type { ContextChoice } from '../config/load-config.ts';
import type { CliIo } from './context.ts';

export interface LoadedConfig {
  /** Where it is, or would be. */
  readonly path: string;
  readonly config: Config | undefined;
  readonly choice: ContextChoice | undefined;
}

/** Each file is read once in a run: a pipe can be, and what two parts of a command see has to be the same. */
const loaded = new WeakMap<CliIo, Map<string, Promise<LoadedConfig>>>();

/**
 * The configuration file that counts, and its context that does.
 * @throws ImgctlError `config_invalid`, naming file, line, column, key and what is allowed
 */
export function loadedConfig(option: string | undefined, io: CliIo): Promise<LoadedConfig> {
  const files = loaded.get(io) ?? new Map<string, Promise<LoadedConfig>>();
  loaded.set(io, files);
  const loading = files.get(option ?? '') ?? load(option, io);
  files.set(option ?? '', loading);
  return loading;
}

async function load(option: string | undefined, io: CliIo): Promise<LoadedConfig> {
  const { configPath } = await import('../config/config-path.ts');
  const { configDir } = await import('../trust/default-files.ts');
  const { env } = io;
  const file = configPath(option, env, configDir(env));
  const { existsSync } = await import('node:fs');
  // Most have none, and YAML takes its time to load
  if (file.namedBy === undefined && !env.IMGCTL_CONTEXT?.trim() && !existsSync(file.path))
    return { path: file.path, config: undefined, choice: undefined };
  const { chooseContext, loadConfig } = await import('../config/load-config.ts');
  const { configRules } = await import('./config-rules.ts');
  const config = await loadConfig(file, configRules(io), env);
  return { path: file.path, config, choice: chooseContext(config, file.path, env) };
}
