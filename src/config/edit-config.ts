import { resolve } from 'node:path';
import { type Document, isAlias, isCollection, isMap, isNode } from 'yaml';
import { suggest } from '../errors/nearest.ts';
import { hasCode, ImgctlError } from '../errors.ts';
import { type Config, understandConfig } from './config.ts';
import { type KeyPath, parseConfigDocument } from './config-document.ts';
import type { ConfigRules } from './config-problems.ts';
import { contextFields, splitList } from './context-shape.ts';
import { unknownContext } from './load-config.ts';
import { readConfigFile } from './read-config-file.ts';
import type { SettingName } from './settings.ts';
import { writeConfigFile } from './write-config-file.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A configuration file that is changed, with what is needed to know that it stays one. */
export interface EditedFile {
  readonly path: string;
  readonly rules: ConfigRules;
  readonly env: Env;
}

export interface SettingEdit {
  /** `agentPort`, `defaults.retries` */
  readonly key: string;
  /** As it was typed; absent: the setting is taken out. */
  readonly value?: string | undefined;
  /** Default: the context in use; in a file without contexts, one that is made. */
  readonly context?: string | undefined;
}

/** What a context is called that nobody named. */
const firstName = 'default';

/** Makes the context the current one. @throws ImgctlError `config_invalid` */
export async function useContext(file: EditedFile, name: string): Promise<void> {
  await edit(file, (yaml, { contexts }) => {
    if (!contexts.has(name)) throw unknownContext(name, [...contexts.keys()], file.path);
    setCurrent(yaml, name);
  });
}

/**
 * Changes one setting, and makes what it stands in. Comments and order stay.
 * @throws ImgctlError `usage`: the key or value; `config_invalid`: the file as it was
 */
export async function setSetting(
  file: EditedFile,
  { key, value, context }: SettingEdit,
): Promise<{ readonly context: string; readonly value: unknown }> {
  const known = [...Object.keys(contextFields), ...file.rules.defaultNames.map((name) => `defaults.${name}`)];
  if (!known.includes(key)) {
    const hint =
      key === 'currentContext' ? 'imgctl config use NAME changes it.' : suggest(key, known, 'settings');
    throw new ImgctlError('usage', `there is no setting ${JSON.stringify(key)}`, { hint });
  }
  let name = '';
  const stored = value === undefined ? undefined : fileValue(key, value);
  await edit(file, (yaml, config) => {
    name = context ?? contextInUse(config, file.env);
    const at = ['contexts', name, ...key.split('.')];
    if (stored === undefined) return unset(yaml, at, config);
    setIn(yaml, at, stored);
    if (config.contexts.size === 0 && config.currentContext === undefined) setCurrent(yaml, name);
  });
  return { context: name, value: stored };
}

async function edit(
  { path, rules, env }: EditedFile,
  change: (yaml: Document, config: Config) => void,
): Promise<void> {
  const document = parseConfigDocument((await readConfigFile(path)) ?? '', path);
  change(document.yaml, understandConfig(document, rules, env));
  const text = document.yaml.toString({ lineWidth: 0, flowCollectionPadding: false });
  try {
    understandConfig(parseConfigDocument(text, path), rules, env);
  } catch (thrown) {
    // The file was in order before, so this is what was typed; its line is in a file that will not be
    if (!hasCode(thrown, 'config_invalid')) throw thrown;
    const { message, hint, context } = thrown;
    const place = `${path}:${context.line}:${context.column}: `;
    throw new ImgctlError('usage', message.startsWith(place) ? message.slice(place.length) : message, {
      hint,
    });
  }
  await writeConfigFile(path, text);
}

function contextInUse({ contexts, currentContext, path }: Config, env: Env): string {
  const name = env.IMGCTL_CONTEXT?.trim() || currentContext;
  if (name !== undefined) return name;
  if (contexts.size === 0) return firstName;
  throw new ImgctlError('usage', `no context of ${path} is in use`, {
    hint: `Name one with --context, or imgctl config use NAME. There are: ${[...contexts.keys()].join(', ')}.`,
  });
}

function unset(yaml: Document, at: KeyPath, { contexts, path }: Config): void {
  const [, name, ...key] = at.map(String);
  if (name !== undefined && !contexts.has(name)) throw unknownContext(name, [...contexts.keys()], path);
  if (isAlias(yaml.getIn(at.slice(0, -1), true))) throw throughAlias(at.slice(0, -1));
  if (!yaml.hasIn(at))
    throw new ImgctlError('usage', `${key.join('.')} is not set in context ${name}`, {
      hint: 'imgctl config view shows what is.',
    });
  yaml.deleteIn(at);
}

/** What was typed, as the file has it. Paths are meant from where the user stands, but the file's are beside it. */
function fileValue(key: string, value: string): unknown {
  const kind = key in contextFields ? contextFields[key as SettingName].kind : 'option';
  const isNumber = /^\d+$/.test(value);
  if (kind === 'list') return splitList(value);
  if (kind === 'file') return value.startsWith('~') ? value : resolve(value);
  if (kind === 'number') return isNumber ? Number(value) : value;
  if (kind === 'option')
    return value === 'true' || value === 'false' ? value === 'true' : isNumber ? Number(value) : value;
  return value;
}

function setIn(yaml: Document, at: KeyPath, value: unknown): void {
  for (let depth = 0; depth < at.length; depth++) {
    const above = at.slice(0, depth);
    const node = depth === 0 ? yaml.contents : yaml.getIn(above, true);
    if (isAlias(node)) throw throughAlias(above);
    // Nothing stands behind the key: an empty mapping, which `{}` would make a line of
    if (isMap(node) && node.items.length === 0) node.flow = false;
    if (isCollection(node)) continue;
    if (depth === 0) yaml.contents = yaml.createNode({});
    else yaml.setIn(above, yaml.createNode({}));
  }
  const before = yaml.getIn(at, true);
  const node = yaml.createNode(value, { flow: true });
  if (isNode(before)) {
    node.comment = before.comment ?? null;
    node.commentBefore = before.commentBefore ?? null;
  }
  yaml.setIn(at, node);
}

function throughAlias(at: KeyPath): ImgctlError {
  return new ImgctlError(
    'usage',
    `${at.join('.')} is an alias: what stands there stands elsewhere in the file`,
    {
      hint: 'Change the file by hand, or set what the alias stands for.',
    },
  );
}

/** Before the contexts, where one looks for it. */
function setCurrent(yaml: Document, name: string): void {
  if (yaml.has('currentContext') || !isMap(yaml.contents)) yaml.set('currentContext', name);
  else yaml.contents.items.unshift(yaml.createPair('currentContext', name));
}
