import { resolve } from 'node:path';
import type { CheckResult } from '../output/reporter.ts';
import { clusterSettings } from './cluster-settings.ts';
import { type ConnectedNodes, connectNodes } from './connect-nodes.ts';
import type { CommandContext } from './context.ts';
import { runChecks } from './doctor/check.ts';
import { checkNodes } from './doctor/nodes.ts';
import { machineChecks } from './doctor/this-machine.ts';
import { exitStatus } from './exit-codes.ts';
import type { NodeOptions, OutputOptions } from './options.ts';

/** Looks at this machine and at the nodes, whatever is broken. @throws ImgctlError `interrupted` alone */
export async function diagnose(
  { root, ...options }: NodeOptions & OutputOptions & { readonly root: string },
  context: CommandContext,
): Promise<void> {
  const { io } = context;
  const { signal } = io;
  const reporter = await context.reporter(options);
  await using open = new AsyncDisposableStack();
  let connected: ConnectedNodes | undefined;
  const finding = await runChecks(
    [
      {
        what: 'nodes',
        run: async () => {
          connected = open.use(await connectNodes(options, io, reporter));
          const names = connected.nodes.map(({ name }) => name);
          const shown = `${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`;
          return { status: 'ok', detail: `${names.length} to look at: ${shown}` };
        },
      },
    ],
    signal,
  );
  const settings = await clusterSettings(options, io).catch(() => undefined);
  const nodes = connected?.nodes ?? [];
  const isNode = nodes.every(({ url }) => /^(?:127\.|\[::1\]|localhost)/.test(url.hostname));
  const files = { caFile: settings?.caFile, tokenFile: settings?.tokenFile };
  const [machine, fromNodes] = await Promise.all([
    runChecks(machineChecks({ io, root: resolve(root), isNode, ...files }), signal),
    checkNodes(nodes, signal),
  ]);
  const results: readonly CheckResult[] = [...machine, ...finding, ...fromNodes];
  reporter.checks(results);
  context.status = results.some(({ status }) => status === 'fail') ? exitStatus.failed : exitStatus.ok;
}
