import { dirname } from 'node:path';
import type * as z from 'zod';
import type { ConfigDocument } from './config-document.ts';
import { lineOf, plainValue, problemError } from './config-document.ts';
import { pathInConfig } from './config-path.ts';
import { type ConfigRules, ruleProblem, shapeProblem } from './config-problems.ts';
import { contextFields, type DefaultValue, fileShape } from './context-shape.ts';
import type { Origin, SettingName, SettingValues } from './settings.ts';

/** A configuration file as it is meant. */
export interface Config {
  readonly path: string;
  readonly currentContext?: string | undefined;
  readonly contexts: ReadonlyMap<string, ConfigContext>;
}

/** A cluster: how its nodes are found and spoken to, and what an import does there unless told otherwise. */
export interface ConfigContext {
  readonly name: string;
  /** Paths are absolute. */
  readonly settings: SettingValues;
  /** Options of `images import` by their names in the program, as they stand in the file. */
  readonly defaults: Readonly<Record<string, DefaultValue>>;
  /** Where a setting, or `defaults.NAME`, stands. */
  origin(key: string): Origin;
  /** A path as the file means it. */
  pathHere(path: string): string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** @throws ImgctlError `config_invalid`, naming line, column, key and what is allowed */
export function understandConfig(document: ConfigDocument, rules: ConfigRules, env: Env): Config {
  const plain = plainValue(document);
  const shaped = fileShape.safeParse(plain);
  if (!shaped.success) throw problemError(document, shapeProblem(document, plain, shaped.error.issues));
  const problem = ruleProblem(shaped.data, rules);
  if (problem !== undefined) throw problemError(document, problem);
  const contexts = Object.entries(shaped.data.contexts).map(([name, context]): [string, ConfigContext] => [
    name,
    contextOf(document, name, context, env),
  ]);
  return {
    path: document.path,
    currentContext: shaped.data.currentContext ?? undefined,
    contexts: new Map(contexts),
  };
}

export type ShapedFile = z.infer<typeof fileShape>;
type ShapedContext = ShapedFile['contexts'][string];

function contextOf(
  document: ConfigDocument,
  name: string,
  { defaults, ...said }: ShapedContext,
  env: Env,
): ConfigContext {
  const pathHere = (path: string) => pathInConfig(path, dirname(document.path), env);
  const values = Object.entries(said).map(([key, value]): [string, unknown] => {
    const { kind } = contextFields[key as SettingName];
    if (kind === 'file') return [key, pathHere(String(value))];
    return [key, key === 'nodes' && Array.isArray(value) ? value.join(',') : value];
  });
  return {
    name,
    // The schema of each field is the one that makes its type
    settings: Object.fromEntries(values) as SettingValues,
    defaults,
    pathHere,
    origin: (key) => ({
      kind: 'file',
      path: document.path,
      line: lineOf(document, ['contexts', name, ...key.split('.')]),
    }),
  };
}
