import { defaultPort } from '../agent-api/routes.ts';
import { resolveSettings } from '../config/resolve-settings.ts';
import { settingSources } from '../config/setting-sources.ts';
import { type Origin, originText, type SettingName } from '../config/settings.ts';
import { alignColumns } from '../output/results.ts';
import { findTrustFiles } from '../trust/client-trust.ts';
import { settingsOf } from './cluster-settings.ts';
import type { CliIo } from './context.ts';
import { loadedConfig } from './loaded-config.ts';
import type { NodeOptions } from './options.ts';

interface ViewedSetting {
  readonly name: string;
  readonly value: unknown;
  readonly from: Origin | { readonly kind: 'default' };
}

/** The settings that a command with these options would have, as lines and as values. No secret is among them. */
export async function viewConfig(options: NodeOptions, io: CliIo) {
  const { path, config, choice } = await loadedConfig(options.config, io);
  const settings = await viewedSettings(options, io);
  const contexts = [...(config?.contexts.keys() ?? [])];
  const table = alignColumns({
    head: ['SETTING', 'VALUE', 'FROM'],
    rows: settings.map(({ name, value, from }) => [
      name,
      Array.isArray(value) ? value.join(',') : String(value),
      from.kind === 'default' ? 'default' : originText(from),
    ]),
  });
  const chosen = choice === undefined ? 'none' : `${choice.context.name} (${choice.chosenBy})`;
  const lines = [
    `File: ${path}${config === undefined ? ' (not there)' : ''}`,
    `Context: ${chosen}${contexts.length > 0 ? `, of ${contexts.join(', ')}` : ''}`,
    '',
    ...table,
  ];
  const details = {
    // The lines say the same, for people
    messages: [],
    file: path,
    exists: config !== undefined,
    context: choice && { name: choice.context.name, chosenBy: choice.chosenBy },
    contexts,
    settings,
  };
  return { lines, details };
}

async function viewedSettings(options: NodeOptions, io: CliIo): Promise<ViewedSetting[]> {
  const { choice } = await loadedConfig(options.config, io);
  const resolved = resolveSettings(settingsOf(options), io.env, choice?.context);
  // What nobody says and is found by itself, as a command would
  const found = { agentPort: defaultPort, ...(await findTrustFiles(resolved, io.env)) };
  const { discoverForced: _, origins, ...said } = resolved;
  const values: Readonly<Record<string, unknown>> = { ...found, ...definedOf(said) };
  const settings = (Object.keys(settingSources) as SettingName[]).flatMap((name): ViewedSetting[] => {
    const from = origins?.[name] ?? { kind: 'default' as const };
    const value = values[name];
    const isNothing = value === undefined || (Array.isArray(value) && value.length === 0);
    return isNothing ? [] : [{ name, value, from }];
  });
  const defaults = Object.entries(choice?.context.defaults ?? {}).map(([option, value]) => {
    const name = `defaults.${option}`;
    return { name, value, from: choice?.context.origin(name) ?? { kind: 'default' as const } };
  });
  return [...settings, ...defaults];
}

function definedOf(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
