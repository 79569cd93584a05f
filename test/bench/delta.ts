import { join } from 'node:path';
import { writeImages } from './archive.ts';
import { type BenchmarkOptions, imageName, mebibyte, type Row, ratioRow } from './benchmark.ts';
import { startCluster } from './cluster.ts';
import { makeLayer } from './layers.ts';
import { type ImportRun, runImport } from './run-import.ts';
import { median } from './timed-process.ts';

const nodes = 4;

/**
 * What a second import costs, over limited links: everything is there already, one of twenty layers is another, a
 * node joined. Counted at the operator's interface, headers included, and as the command counts it.
 */
export async function delta({ directory, quick, runs, rateMbit, log }: BenchmarkOptions): Promise<Row[]> {
  const size = (quick ? 20 : 200) * mebibyte;
  const layers = Array.from({ length: 20 }, () => makeLayer(size / 20));
  const changed = makeLayer(size / 20);
  const [archive, second] = [join(directory, 'delta.tar'), join(directory, 'delta-changed.tar')];
  await writeImages(archive, [{ name: imageName, layers }]);
  await writeImages(second, [{ name: imageName, layers: layers.with(10, changed) }]);
  const measured = new Map<'first' | 'again' | 'changed' | 'joined', ImportRun[]>();
  for (let run = 0; run < runs; run += 1) {
    await using cluster = await startCluster({ directory, nodes: nodes + 1, rateMbit });
    const old = cluster.agents.slice(0, nodes);
    const importing = async (what: 'first' | 'again' | 'changed' | 'joined', from: string, agents = old) => {
      const took = await runImport(cluster, from, { agents });
      measured.set(what, [...(measured.get(what) ?? []), took]);
      log(
        `delta, ${what}: ${took.seconds.toFixed(2)} s, ${took.uplinkBytes} bytes, payload ${took.bytesSent}`,
      );
    };
    await importing('first', archive);
    await importing('again', archive);
    await importing('changed', second);
    await importing('joined', second, [...cluster.agents]);
  }
  const of = (what: 'first' | 'again' | 'changed' | 'joined', value: (run: ImportRun) => number) =>
    median((measured.get(what) ?? []).map(value));
  const uplink = ({ uplinkBytes }: ImportRun) => uplinkBytes;
  const payload = ({ bytesSent }: ImportRun) => bytesSent;
  const both = ({ uplinkBytes, downlinkBytes }: ImportRun) => (uplinkBytes + downlinkBytes) / nodes / 1024;
  const seconds = (run: ImportRun) => run.seconds;
  return [
    share('one of 20 layers changed: payload sent / the layer', of('changed', payload), changed.size, 1.02),
    share(
      'one of 20 layers changed: all on the uplink / the layer',
      of('changed', uplink),
      changed.size,
      1.02,
    ),
    {
      what: 'unchanged: traffic a node, both directions',
      value: of('again', both),
      unit: 'KiB',
      limit: 64,
    },
    ratioRow('unchanged / first time', of('again', seconds), of('first', seconds), 0.05),
    share('a node joins: all on the uplink / what it gets', of('joined', uplink), size, 0.01),
    ratioRow('a node joins / first time', of('joined', seconds), of('first', seconds)),
  ];
}

function share(what: string, bytes: number, of: number, limit: number): Row {
  return { what, value: bytes / of, limit, note: `${Math.round(bytes)} bytes / ${Math.round(of)} bytes` };
}
