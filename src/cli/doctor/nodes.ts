import type { NodeInfo } from '../../agent-api/schemas.ts';
import { mustSpeak } from '../../distribute/must-speak.ts';
import { withAgentHint } from '../../distribute/without-agent.ts';
import { hasCode, toImgctlError } from '../../errors.ts';
import { formatBytes, formatDuration } from '../../output/format.ts';
import type { CheckResult } from '../../output/reporter.ts';
import type { ConnectedNode } from '../connect-nodes.ts';
import { describeNode } from '../describe-node.ts';
import { programVersion } from '../version.ts';
import { validity } from './certificates.ts';
import { type Finding, runChecks } from './check.ts';

/** Clocks further apart than this, in milliseconds, make tokens and certificates count on one side and not the other. */
const skewMs = 5_000;

/** Every node from here, then each from every other: images travel between nodes too. */
export async function checkNodes(
  nodes: readonly ConnectedNode[],
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const answering = new Set<ConnectedNode>();
  const fromHere = await runChecks(
    nodes.map((node) => ({
      what: `node ${node.name}`,
      run: async (bounded) => {
        const begun = Date.now();
        const info = await describe(node, bounded);
        if (info === undefined) return microk8s(node);
        answering.add(node);
        return findings(node, info, { begun, ended: Date.now() });
      },
    })),
    signal,
  );
  const between = [...answering];
  const others = await runChecks(
    between.length < 2
      ? []
      : between.map((node) => ({
          what: `peers of ${node.name}`,
          run: (bounded) => checkPeers(node, between, bounded),
        })),
    signal,
  );
  return [...fromHere, ...others];
}

async function describe(node: ConnectedNode, signal: AbortSignal): Promise<NodeInfo | undefined> {
  try {
    const info = await describeNode(node, signal);
    if (info !== undefined) mustSpeak(info.api);
    return info;
  } catch (thrown) {
    throw withAgentHint(toImgctlError(thrown));
  }
}

function microk8s({ address }: ConnectedNode): Finding {
  return {
    status: 'ok',
    detail: `${address}, MicroK8s's cluster agent: it takes images, and tells nothing else`,
  };
}

function findings(
  { name, address }: ConnectedNode,
  { version, store, freeBytes, timeMs, tls }: NodeInfo,
  asked: { readonly begun: number; readonly ended: number },
): Finding[] {
  const own = programVersion();
  const snapshotter = store.snapshotter === undefined ? '' : `, ${store.snapshotter}`;
  const free = freeBytes === undefined ? '' : `, ${formatBytes(freeBytes)} free`;
  const detail = `${address}, imgctl ${version}, ${store.kind} ${store.version}${snapshotter}${free}`;
  const same: Finding =
    version === own
      ? { status: 'ok', detail }
      : {
          status: 'warn',
          detail: `${detail}; this command is ${own}`,
          hint: 'Bring both to the same version: imgctl agent deploy, or imgctl agent install there.',
        };
  return [
    same,
    ...(timeMs === undefined ? [] : [clock(name, timeMs, asked)]),
    ...(tls === undefined
      ? []
      : [{ what: `certificate of ${name}`, ...validity({ notAfter: new Date(tls.notAfter) }) }]),
  ];
}

/** The node's clock was read some time between the question and the answer: only what lies outside is skew. */
function clock(
  name: string,
  timeMs: number,
  { begun, ended }: { readonly begun: number; readonly ended: number },
): Finding {
  const skew = timeMs > ended ? timeMs - ended : timeMs < begun ? timeMs - begun : 0;
  const what = `clock of ${name}`;
  if (Math.abs(skew) <= skewMs) return { status: 'ok', what, detail: `${Math.round(skew)} ms from this one` };
  return {
    status: 'warn',
    what,
    detail: `${formatDuration(Math.abs(skew))} ${skew > 0 ? 'ahead of' : 'behind'} this one`,
    hint: 'Set both by NTP (timedatectl): certificates and changed tokens count by the clock.',
  };
}

async function checkPeers(
  node: ConnectedNode,
  nodes: readonly ConnectedNode[],
  signal: AbortSignal,
): Promise<Finding> {
  const others = nodes.filter((other) => other !== node).slice(0, 1000);
  try {
    const peers = await node.node.checkPeers(
      others.map(({ url }) => url.origin),
      signal,
    );
    const broken = others.flatMap(({ name }, i) =>
      peers[i]?.ok ? [] : [`${name} (${peers[i]?.error?.message ?? 'no answer'})`],
    );
    if (broken.length === 0)
      return {
        status: 'ok',
        detail: `reaches ${others.length === 1 ? 'the other' : `all ${others.length} others`}`,
      };
    return {
      status: 'fail',
      detail: `does not reach ${broken.slice(0, 5).join(', ')}${broken.length > 5 ? ` and ${broken.length - 5} more` : ''}`,
      hint: 'Let the port of the agents through between the nodes, and give all of them the same ca.crt and token.',
    };
  } catch (error) {
    if (!hasCode(error, 'route_unknown')) throw error;
    return { status: 'warn', detail: 'this agent is too old to be asked', hint: 'Bring it to this version.' };
  }
}
