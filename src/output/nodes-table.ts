import { printable } from '../errors.ts';
import { formatBytes } from './format.ts';
import type { ListedNode } from './reporter.ts';
import type { ResultTable } from './results.ts';

/** The nodes of a cluster, a row each; where there is no room for that, what they run stands in a line below. */
export function nodesTable(nodes: readonly ListedNode[]): ResultTable {
  const cells = nodes.map(cellsOf);
  return {
    head: ['NODE', 'ADDRESS', 'READY', 'PLATFORM', 'RUNTIME', 'AGENT', 'STORE', 'FREE', 'TRUST', 'RTT'],
    rows: cells.map((cell) => [
      ...[cell.node, cell.address, cell.ready, cell.platform, cell.runtime],
      ...[cell.agent, cell.store, cell.free, cell.trust, cell.roundTrip],
    ]),
    narrower: {
      head: ['NODE', 'ADDRESS', 'READY', 'FREE', 'TRUST', 'RTT'],
      rows: cells.map(({ node, address, ready, free, trust, roundTrip }) => [
        ...[node, address, ready, free, trust, roundTrip],
      ]),
      below: cells.map(({ platform, runtime, agent, store }) =>
        [platform, runtime, agent === '-' ? 'no agent' : `agent ${agent}`, store]
          .filter((part) => part !== '-')
          .join(', '),
      ),
      elastic: 0,
    },
  };
}

function cellsOf({ node, address, ready, cordoned, platform, runtime, agent, store, ...rest }: ListedNode) {
  const { freeBytes, trust, certificateEnds, roundTripMs } = rest;
  const ofStore = store === undefined ? undefined : `${store.kind} ${store.version}`;
  const runs = runtime?.replace('://', ' ') ?? ofStore;
  const storeParts = [ofStore === runs ? undefined : ofStore, store?.snapshotter, store?.namespace];
  return {
    node: printable(node),
    address: printable(address),
    ready: ready === undefined ? '-' : `${ready ? 'yes' : 'no'}${cordoned ? ', cordoned' : ''}`,
    platform: cell(platform),
    runtime: cell(runs),
    agent: cell(agent),
    store: cell(storeParts.filter((part) => part !== undefined).join('/')),
    free: freeBytes === undefined ? '-' : formatBytes(freeBytes),
    trust: cell(certificateEnds === undefined ? trust : `${trust} to ${certificateEnds.slice(0, 10)}`),
    roundTrip: roundTripMs === undefined ? '-' : formatRoundTrip(roundTripMs),
  };
}

/** `0.4 ms`, `12 ms`, `1200 ms`: always in milliseconds, to be compared at a glance. */
function formatRoundTrip(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function cell(text: string | undefined): string {
  return text === undefined || text === '' ? '-' : printable(text);
}
