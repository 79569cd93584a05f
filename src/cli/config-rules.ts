import { defaultPort } from '../agent-api/routes.ts';
import type { ConfigRules } from '../config/config-problems.ts';
import { parseNodeList } from '../discovery/static.ts';
import type { CliIo } from './context.ts';
import { importDefaults } from './import-defaults.ts';

/** What the values of a configuration file have to be: what the options that they stand for take. */
export function configRules(io: CliIo): ConfigRules {
  const defaults = importDefaults(io);
  return {
    checkNodes: (list) => void parseNodeList(list, { defaultPort }),
    defaultNames: [...defaults.keys()],
    checkDefault: (name, value) => void defaults.get(name)?.(value),
  };
}
