import { dirname, resolve } from 'node:path';
import type { Cluster, Context, User } from '@kubernetes/client-node/dist/config_types.js';
import { ImgctlError, printable } from '../../errors.ts';

/** What files say of clusters: those of one file, or of several as kubectl merges them. */
export interface Kubeconfig {
  /** What messages call it. */
  readonly name: string;
  readonly contexts: readonly Context[];
  readonly clusters: readonly Cluster[];
  readonly users: readonly KubeconfigUser[];
  readonly currentContext?: string | undefined;
}

export interface KubeconfigUser extends User {
  /** Of the file that it stands in: where relative commands are. */
  readonly directory: string;
}

/** @throws ImgctlError `config_invalid`, naming the file */
export async function readKubeconfig(file: string, text: string): Promise<Kubeconfig> {
  if (isBlank(text)) return { name: file, contexts: [], clusters: [], users: [] };
  // The library costs a tenth of a second: only who has a kubeconfig pays
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  const directory = dirname(resolve(file));
  try {
    config.loadFromString(text);
    config.makePathsAbsolute(directory);
  } catch (error) {
    throw new ImgctlError('config_invalid', `the kubeconfig ${file} is not valid: ${reasonOf(error)}`, {
      hint: `kubectl config view --kubeconfig ${file} may say more.`,
      context: { path: file },
    });
  }
  return {
    name: file,
    contexts: config.contexts,
    clusters: config.clusters,
    users: config.users.map((user) => ({ ...user, directory })),
    currentContext: config.currentContext || undefined,
  };
}

/** As kubectl merges: of one name the first counts, and the first current context. */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  return {
    name: configs.map(({ name }) => name).join(':'),
    contexts: firstOfEach(configs.flatMap(({ contexts }) => contexts)),
    clusters: firstOfEach(configs.flatMap(({ clusters }) => clusters)),
    users: firstOfEach(configs.flatMap(({ users }) => users)),
    currentContext: configs.find(({ currentContext }) => currentContext !== undefined)?.currentContext,
  };
}

function firstOfEach<T extends { readonly name: string }>(entries: readonly T[]): T[] {
  return [...Map.groupBy(entries, ({ name }) => name).values()].flatMap((same) => same.slice(0, 1));
}

function isBlank(text: string): boolean {
  return text.split('\n').every((line) => /^\s*(#|---\s*$|$)/.test(line));
}

/** The parser's message quotes the lines around: they may hold a token or a key. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (!('reason' in error)) return printable(error.message).slice(0, 300);
  const line =
    'mark' in error && typeof error.mark === 'object' && error.mark !== null && 'line' in error.mark
      ? ` (line ${Number(error.mark.line) + 1})`
      : '';
  return `${printable(String(error.reason)).slice(0, 200)}${line}`;
}
