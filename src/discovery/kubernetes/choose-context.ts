import type { Cluster } from '@kubernetes/client-node/dist/config_types.js';
import { ImgctlError } from '../../errors.ts';
import type { Kubeconfig, KubeconfigUser } from './kubeconfig.ts';

/** A cluster, who one is to it, and what messages call all that. */
export interface ChosenContext {
  readonly kubeconfig: string;
  readonly context: string;
  readonly cluster: Cluster;
  /** Absent: nobody, as clusters behind a proxy have it. */
  readonly user?: KubeconfigUser | undefined;
}

/** As many names as help. */
const maxNames = 20;

/** @throws ImgctlError `usage` for a context that is not there; `config_invalid` for one that leads nowhere */
export function chooseContext(config: Kubeconfig, asked: string | undefined): ChosenContext {
  const name = asked ?? config.currentContext;
  const hint = `There are: ${namesOf(config)}.`;
  if (name === undefined) {
    throw new ImgctlError('config_invalid', `the kubeconfig ${config.name} has no current context`, {
      hint: `Choose one with --context. ${hint}`,
    });
  }
  const context = config.contexts.find((each) => each.name === name);
  if (context === undefined && asked !== undefined)
    throw new ImgctlError('usage', `there is no context ${asked} in the kubeconfig ${config.name}`, { hint });
  if (context === undefined) {
    const message = `the current context ${name} of the kubeconfig ${config.name} is not in it`;
    throw new ImgctlError('config_invalid', message, { hint: `Choose one with --context. ${hint}` });
  }
  const lacks = (kind: string, missing: string) =>
    new ImgctlError(
      'config_invalid',
      `context ${name} of the kubeconfig ${config.name} names ${kind} ${missing}, which is not in it`,
      { hint: 'kubectl config view shows what is.' },
    );
  const cluster = config.clusters.find((each) => each.name === context.cluster);
  if (cluster === undefined) throw lacks('the cluster', context.cluster);
  const user = config.users.find((each) => each.name === context.user);
  if (user === undefined && context.user) throw lacks('the user', context.user);
  return { kubeconfig: config.name, context: name, cluster, user };
}

function namesOf({ contexts }: Kubeconfig): string {
  const names = contexts.slice(0, maxNames).map(({ name }) => name);
  return [...names, ...(contexts.length > maxNames ? [`${contexts.length - maxNames} more`] : [])].join(', ');
}
