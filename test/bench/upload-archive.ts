import { readFile } from 'node:fs/promises';
import type { Cluster } from './cluster.ts';
import { timed } from './timed-process.ts';

/** Sends the whole archive to every node by curl, to so many at a time; seconds until all have it. */
export async function uploadArchive(
  { operator, agents, caFile, tokenFile }: Cluster,
  archive: string,
  atOnce: number,
): Promise<number> {
  const [program, ...prefix] = operator.prefix;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const queue = [...agents];
  const worker = async () => {
    for (let agent = queue.shift(); agent !== undefined; agent = queue.shift())
      await timed(program, [
        ...[...prefix, 'curl', '-sSf', '-X', 'POST', '-T', archive, '--cacert', caFile],
        ...['-H', `Authorization: Bearer ${token}`, '-H', 'Expect:'],
        ...['--resolve', `imgctl-agent:25000:${agent.host.address}`],
        'https://imgctl-agent:25000/v1/images/import',
      ]);
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: atOnce }, worker));
  return (performance.now() - begun) / 1000;
}
