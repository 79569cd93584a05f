import { readFile } from 'node:fs/promises';

/** How this machine completes names: resolv.conf(5), `search` (or `domain`) and `ndots`. */
export interface DnsSearch {
  readonly domains: readonly string[];
  /** A name with fewer dots is completed before it is taken as it is. */
  readonly ndots: number;
}

/** Pods find services by short names in this way. What resolves names here does not do it by itself. */
export async function systemSearch(file = '/etc/resolv.conf'): Promise<DnsSearch> {
  const lines = (await readFile(file, 'utf8').catch(() => ''))
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const last = lines.findLast(([word]) => word === 'search' || word === 'domain') ?? [];
  const ndots = lines
    .flatMap(([word, ...options]) => (word === 'options' ? options : []))
    .map((option) => /^ndots:(\d{1,2})$/.exec(option)?.[1])
    .findLast((value) => value !== undefined);
  return {
    domains: last.slice(1).filter((domain) => /^[a-z0-9_.-]+$/i.test(domain) && domain !== '.'),
    ndots: Number(ndots ?? 1),
  };
}

/** The names to try, in order, without a last dot; one that is written with it is complete. */
export function candidateNames(name: string, { domains, ndots }: DnsSearch): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const completed = domains.map((domain) => `${name}.${domain.replace(/\.$/, '')}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...completed] : [...completed, name];
}
