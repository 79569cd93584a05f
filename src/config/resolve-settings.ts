import type { ConfigContext } from './config.ts';
import { naming } from './naming.ts';
import { settingSources } from './setting-sources.ts';
import type { ClusterSettings, Origin, SettingName, SettingValues } from './settings.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What chooses the nodes, in the order in which it counts at one level. */
const choosing = ['nodes', 'discover'] as const;
/** What is about the nodes that were chosen where it was said, and not about others. */
const narrowing = ['selector', 'exclude', 'kubeconfig', 'kubeContext'] as const;

interface Level {
  readonly values: SettingValues;
  readonly origin: (name: SettingName) => Origin;
}

/**
 * Each setting from the first that says it: the command line, the environment, the context. Only what narrows nodes
 * belongs to them: nodes that are named here are not narrowed by what a context says of its own.
 * @throws ImgctlError `usage`, naming the variable
 */
export function resolveSettings(options: SettingValues, env: Env, context?: ConfigContext): ClusterSettings {
  const levels: Level[] = [
    { values: options, origin: (name) => ({ kind: 'option', name: settingSources[name].option }) },
    {
      values: fromEnvironment(env),
      origin: (name) => ({ kind: 'environment', name: settingSources[name].variable ?? '' }),
    },
    ...(context === undefined ? [] : [{ values: context.settings, origin: context.origin }]),
  ];
  const forced = options.discover !== undefined;
  const values: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, Origin>> = {};
  const take = (name: SettingName, from: readonly Level[]) => {
    const level = from.find((level) => level.values[name] !== undefined);
    if (level === undefined) return;
    values[name] = level.values[name];
    origins[name] = level.origin(name);
  };
  const chooser = levels.findIndex(({ values }) => choosing.some((name) => values[name] !== undefined));
  for (const name of Object.keys(settingSources) as SettingName[]) {
    if ((choosing as readonly string[]).includes(name))
      take(name, levels.slice(Math.max(chooser, 0), chooser + 1));
    else if ((narrowing as readonly string[]).includes(name)) take(name, narrowersOf(levels, chooser));
    else take(name, levels);
  }
  // A context of the kubeconfig belongs to that kubeconfig, not to another that is named nearer
  if (levelOf(origins.kubeconfig) < levelOf(origins.kubeContext)) {
    delete values.kubeContext;
    delete origins.kubeContext;
  }
  // Both in the environment: the list counts, as it does on the command line where nothing is forced
  if (!forced && values.nodes !== undefined) {
    delete values.discover;
    delete origins.discover;
  }
  const said = values as SettingValues;
  return {
    ...said,
    discoverForced: forced,
    exclude: said.exclude ?? [],
    driver: said.driver ?? 'auto',
    origins,
  };
}

/** The levels whose narrowing counts: the chooser's and those before it, and those that find nodes in the same way. */
function narrowersOf(levels: readonly Level[], chooser: number): readonly Level[] {
  if (chooser < 0) return levels;
  const how = wayOf(levels[chooser]?.values);
  return levels.filter(({ values }, i) => i <= chooser || (how !== undefined && how === wayOf(values)));
}

/** `kubernetes`, `dns:NAME` or `local`; undefined for a list. A context that names nothing leaves it to Kubernetes. */
function wayOf(values: SettingValues | undefined): string | undefined {
  if (values === undefined || (values.nodes !== undefined && values.discover === undefined)) return undefined;
  return values.discover ?? 'kubernetes';
}

function levelOf(origin: Origin | undefined): number {
  return origin === undefined ? Number.NaN : ['option', 'environment', 'file'].indexOf(origin.kind);
}

function fromEnvironment(env: Env): SettingValues {
  const said = Object.entries(settingSources).flatMap(([name, { variable, parse }]): [string, unknown][] => {
    const text = variable === undefined ? undefined : env[variable]?.trim();
    if (!text || variable === undefined) return [];
    return [[name, parse === undefined ? text : naming(variable, () => parse(text))]];
  });
  return Object.fromEntries(said);
}
