import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DockerRegistry, startRegistry } from '../support/registry/docker-registry.ts';
import { type BenchmarkOptions, bin, mebibyte, type Row, ratioRow } from './benchmark.ts';
import { fillRegistry } from './fill-registry.ts';
import { makeLayer } from './layers.ts';
import { median, timed } from './timed-process.ts';

interface Took {
  readonly seconds: number;
  /** What the registry sent, in bytes. */
  readonly read: number;
  readonly requests: number;
}

const copyEach = `set -e; to=$1; shift
for name; do skopeo --insecure-policy copy -q --preserve-digests --src-tls-verify=false "docker://$name" "oci:$to:$name"; done`;

/**
 * A bundle of a hundred images that share layers, as those of a team do: a base, a runtime upon it, and what is their own.
 * Against skopeo, which copies one after the other into one layout, where it finds what it has copied already. It writes
 * no archive: packing the layout is not counted.
 */
export async function bundle({ directory, quick, runs, log }: BenchmarkOptions): Promise<Row[]> {
  const count = quick ? 10 : 100;
  const make = (number: number, mebibytes: number) =>
    Array.from({ length: number }, () => makeLayer((quick ? 1 : mebibytes) * mebibyte));
  const [bases, runtimes, own] = [make(4, 16), make(12, 8), make(count, 2)];
  const images = own.map((layer, i) => ({
    repository: `team${i % 7}/app${i}`,
    layers: [bases[i % 4], runtimes[i % 12], layer].flatMap((each) => each ?? []),
  }));
  await using registry = await startRegistry();
  await fillRegistry(registry.url, images);
  const names = images.map(({ repository }) => `${registry.host}/${repository}:1`);
  const out = join(directory, 'out');
  const create = (file: string) => timed(process.execPath, [bin, 'bundle', 'create', ...names, '-o', file]);
  const ways = {
    'bundle create, .tar': () => create(join(out, 'bundle.tar')),
    'bundle create, .tar.zst': () => create(join(out, 'bundle.tar.zst')),
    skopeo: () => timed('sh', ['-c', copyEach, 'sh', join(out, 'layout'), ...names]),
  };
  const took = new Map<string, Took[]>();
  // The first run of each brings what it reads into memory
  for (let run = 0; run <= runs; run += 1)
    for (const [way, carryOut] of Object.entries(ways)) {
      await rm(out, { recursive: true, force: true });
      await mkdir(out);
      const measured = await measure(registry, carryOut);
      if (run > 0) took.set(way, [...(took.get(way) ?? []), measured]);
      const { seconds, read, requests } = measured;
      log(`bundle, ${way}: ${seconds.toFixed(2)} s, ${read} bytes, ${requests} requests`);
    }
  const of = (way: keyof typeof ways, value: (took: Took) => number) =>
    median((took.get(way) ?? []).map(value));
  const seconds = ({ seconds }: Took) => seconds;
  const [tar, zst, peer] = [
    of('bundle create, .tar', seconds),
    of('bundle create, .tar.zst', seconds),
    of('skopeo', seconds),
  ];
  const requests = `${of('bundle create, .tar', (took) => took.requests)} requests / ${of('skopeo', (took) => took.requests)}`;
  const [read, peerRead] = [
    of('bundle create, .tar', (took) => took.read),
    of('skopeo', (took) => took.read),
  ];
  return [
    ratioRow(`bundle create of ${count} images, .tar / skopeo copy one by one`, tar, peer, 1, requests),
    ratioRow(`bundle create of ${count} images, .tar.zst / skopeo copy one by one`, zst, peer, 1),
    {
      what: 'read from the registry / as skopeo does',
      value: read / peerRead,
      limit: 1.02,
      note: `${read} bytes / ${peerRead} bytes`,
    },
  ];
}

async function measure(
  registry: DockerRegistry,
  carryOut: () => Promise<{ readonly seconds: number }>,
): Promise<Took> {
  const [sent, asked] = [registry.bytesSent(), registry.requests().length];
  const { seconds } = await carryOut();
  return { seconds, read: registry.bytesSent() - sent, requests: registry.requests().length - asked };
}
