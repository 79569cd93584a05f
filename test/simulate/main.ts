import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { type Measured, measure } from './measure.ts';
import { mebibyte, type ScenarioOptions, scenarioOf } from './scenario.ts';

/**
 * `npm run simulate`: how long the real plan takes over simulated links, for clusters that no desk holds. Each time is
 * told as a ratio to the bound that no plan can beat: the longer of what is nowhere yet over the source's uplink, and
 * what a node lacks over its downlink, both at the links' raw rate (of which TCP, IP and Ethernet take 4.6 %).
 * `--fed-length 1`: as if a node that holds a blob could not feed a chain of others, and each of them fetched it.
 */

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10,100,1000,5000' },
    'chain-length': { type: 'string' },
    'fed-length': { type: 'string' },
    concurrency: { type: 'string' },
    seed: { type: 'string', default: '1' },
    output: { type: 'string', default: 'text' },
  },
});
const counts = values.nodes.split(',').map(Number);
const seed = Number(values.seed);
const limits = {
  chainLength: values['chain-length'] === undefined ? undefined : Number(values['chain-length']),
  fedLength: values['fed-length'] === undefined ? undefined : Number(values['fed-length']),
  concurrency: values.concurrency === undefined ? undefined : Number(values.concurrency),
};

const layers = Array.from({ length: 20 }, () => 50 * mebibyte);
const oneLarge = [2_000, 20_000, 1024 * mebibyte, 5 * mebibyte, 3 * mebibyte];
const manySmall = Array.from({ length: 2_500 }, () => 10 * 1024);

const kinds: readonly (readonly [name: string, options: Omit<ScenarioOptions, 'nodes'>])[] = [
  ['20 layers of 50 MiB, 100 Mbit/s', { blobs: layers }],
  ['the same, 1 Gbit/s', { blobs: layers, rate: 125_000 }],
  ['1 % killed', { blobs: layers, failing: 0.01, silent: 0 }],
  ['1 % gone silent', { blobs: layers, failing: 0.01, silent: 1 }],
  ['a tenth of the nodes at a tenth of the rate', { blobs: layers, slow: { part: 0.1, rate: 0.1 } }],
  ['one layer of 1 GiB', { blobs: oneLarge }],
  ['2,500 blobs of 10 KiB', { blobs: manySmall }],
];

const measured: Measured[] = [];
for (const nodes of counts)
  for (const [name, options] of kinds) {
    process.stderr.write(`${nodes} nodes: ${name}\n`);
    measured.push(measure(scenarioOf(name, { nodes, seed, ...options }), { relay: 'auto', limits, seed }));
  }

if (values.output === 'json') {
  process.stdout.write(
    `${JSON.stringify({ date: new Date().toISOString(), node: process.version, seed, limits, measured }, null, 2)}\n`,
  );
} else print();

function print(): void {
  const head = [
    'nodes',
    'what',
    'time',
    '÷ bound',
    'fast ÷',
    'uplink',
    'again',
    'transfers',
    'plan ms',
    'KiB',
    'took',
  ];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const row of measured)
    table.push([
      row.nodes,
      row.died > 0 ? `${row.what} (${row.died})` : row.what,
      `${row.seconds.toFixed(1)} s`,
      row.ratio.toFixed(3),
      row.fastRatio.toFixed(3),
      row.uplink.toFixed(3),
      `${(row.again * 100).toFixed(2)} %`,
      row.transfers,
      row.planMsPerNode.toFixed(2),
      row.planKiBPerNode.toFixed(1),
      `${row.wallSeconds.toFixed(1)} s`,
    ]);
  process.stdout.write(
    `${table.toString()}\nfast: the nodes at the full rate. uplink: bytes over the source's, to what was nowhere yet.\n` +
      'plan ms, KiB: time and memory of the plan, for each node. took: the simulation.\n',
  );
}
