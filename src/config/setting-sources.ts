import { ImgctlError } from '../errors.ts';
import { checkDiscover } from './discover.ts';
import { type Driver, drivers, type SettingName, type SettingValues } from './settings.ts';

interface Source<Name extends SettingName> {
  readonly option: string;
  /** What may say it in place of the option. */
  readonly variable?: string;
  /** The variable's text as a value; as it is unless given. @throws ImgctlError `usage` */
  readonly parse?: (text: string) => SettingValues[Name];
}

/** Where each setting may be said beside the configuration file. */
export const settingSources: { readonly [Name in SettingName]: Source<Name> } = {
  nodes: { option: '--nodes', variable: 'IMGCTL_NODES' },
  discover: { option: '--discover', variable: 'IMGCTL_DISCOVER', parse: checkDiscover },
  selector: { option: '--selector' },
  exclude: { option: '--exclude' },
  kubeconfig: { option: '--kubeconfig' },
  kubeContext: { option: '--context' },
  agentPort: { option: '--agent-port', variable: 'IMGCTL_AGENT_PORT', parse: parsePort },
  caFile: { option: '--ca-file', variable: 'IMGCTL_CA_FILE' },
  certFile: { option: '--cert', variable: 'IMGCTL_CERT' },
  keyFile: { option: '--key', variable: 'IMGCTL_KEY' },
  tokenFile: { option: '--token-file', variable: 'IMGCTL_TOKEN_FILE' },
  driver: { option: '--driver', variable: 'IMGCTL_DRIVER', parse: parseDriver },
  microk8sTokenFile: { option: '--microk8s-token-file', variable: 'IMGCTL_MICROK8S_TOKEN_FILE' },
  microk8sCaFile: { option: '--microk8s-ca', variable: 'IMGCTL_MICROK8S_CA' },
};

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new ImgctlError('usage', `not a port: ${JSON.stringify(text.slice(0, 300))}`, {
    hint: 'Write a whole number from 1 to 65535.',
  });
}

function parseDriver(text: string): Driver {
  const driver = drivers.find((known) => known === text);
  if (driver !== undefined) return driver;
  throw new ImgctlError('usage', `not a driver: ${JSON.stringify(text.slice(0, 300))}`, {
    hint: `Write ${drivers.join(', ')}.`,
  });
}
