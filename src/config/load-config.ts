import { suggest } from '../errors/nearest.ts';
import { ImgctlError } from '../errors.ts';
import { type Config, type ConfigContext, understandConfig } from './config.ts';
import { parseConfigDocument } from './config-document.ts';
import type { ConfigPath } from './config-path.ts';
import type { ConfigRules } from './config-problems.ts';
import { readConfigFile } from './read-config-file.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The context that a command speaks to, and who chose it. */
export interface ContextChoice {
  readonly context: ConfigContext;
  readonly chosenBy: 'IMGCTL_CONTEXT' | 'currentContext';
}

/** @throws ImgctlError `config_invalid`; that a file is not there only where it was named */
export async function loadConfig(
  file: ConfigPath,
  rules: ConfigRules,
  env: Env,
): Promise<Config | undefined> {
  const text = await readConfigFile(file.path);
  if (text !== undefined) return understandConfig(parseConfigDocument(text, file.path), rules, env);
  if (file.namedBy === undefined) return undefined;
  throw new ImgctlError('config_invalid', `${file.namedBy}: there is no file ${file.path}`, {
    hint: 'Check the path; imgctl config set KEY VALUE makes the file.',
    context: { path: file.path },
  });
}

/** `IMGCTL_CONTEXT` is for one command, and comes before the file's own choice. @throws ImgctlError `config_invalid` */
export function chooseContext(config: Config | undefined, path: string, env: Env): ContextChoice | undefined {
  const wanted = env.IMGCTL_CONTEXT?.trim() || undefined;
  const name = wanted ?? config?.currentContext;
  if (name === undefined) return undefined;
  const context = config?.contexts.get(name);
  if (context !== undefined)
    return { context, chosenBy: wanted === undefined ? 'currentContext' : 'IMGCTL_CONTEXT' };
  throw unknownContext(name, [...(config?.contexts.keys() ?? [])], path, 'IMGCTL_CONTEXT: ');
}

export function unknownContext(name: string, known: readonly string[], path: string, by = ''): ImgctlError {
  return new ImgctlError('config_invalid', `${by}there is no context ${JSON.stringify(name)} in ${path}`, {
    hint: suggest(name, known, 'contexts'),
    context: { path },
  });
}
