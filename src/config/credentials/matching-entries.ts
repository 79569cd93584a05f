import { globMatches } from './glob.ts';

/** Which entries of a config.json are for an image: the kubelet's rules. */

/** `repository`: with its registry, and no tag: `registry.example.com:5000/team/app`. All that match, in their order. */
export function matchingEntries<T extends { readonly key: string }>(
  entries: readonly T[],
  repository: string,
): readonly T[] {
  const matching = entries.filter(({ key }) => matches(key, repository));
  if (matching.length > 0 || !isOfDockerHub(repository)) return matching;
  return entries.filter(({ key }) => key === 'index.docker.io');
}

function isOfDockerHub(repository: string): boolean {
  const [first = '', ...rest] = repository.split('/');
  if (first === '') return false;
  return rest.length === 0 || first === 'docker.io' || first === 'index.docker.io' || !/[.:]/.test(first);
}

/** Ports are equal, hosts have as many parts, each of which matches, and the path is how that of the image begins. */
function matches(key: string, repository: string): boolean {
  const [wanted, image] = [split(key), split(repository)];
  return (
    wanted.port === image.port &&
    wanted.parts.length === image.parts.length &&
    image.path.startsWith(wanted.path) &&
    wanted.parts.every((glob, i) => globMatches(glob, image.parts[i] ?? ''))
  );
}

function split(name: string): { readonly parts: string[]; readonly port: string; readonly path: string } {
  const slash = name.indexOf('/');
  const authority = slash < 0 ? name : name.slice(0, slash);
  const path = slash < 0 ? '' : name.slice(slash);
  const address = /^\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]/.exec(authority)?.[0];
  const colon = authority.indexOf(':', address?.length ?? 0);
  const host = colon < 0 ? authority : authority.slice(0, colon);
  const port = colon < 0 ? '' : authority.slice(colon + 1);
  // An address is no pattern
  const parts = address === undefined ? host.split('.') : [host.slice(1, -1)];
  return { parts, port, path };
}
