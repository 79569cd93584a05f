import { hostOfRegistry, registryOfHost, schemeOfHost } from '../../image/registry-endpoint.ts';

export interface EndpointAddress {
  /** With its path, without a slash at the end. */
  readonly url: string;
  /** What the host is called in configuration: `docker.io` for Docker Hub's. */
  readonly registry: string;
  /** Whether the path is no `/v2`, and stands in its place. */
  readonly overridePath: boolean;
  /** Whether it is a host with no more than a port. */
  readonly isHost: boolean;
}

/** An endpoint of registries.yaml as K3s reads it; undefined for what is no address. */
export function endpointAddress(text: string): EndpointAddress | undefined {
  const schemeGiven = text.includes('://');
  const parsed = schemeGiven ? text : `https://${text}`;
  if (!URL.canParse(parsed)) return undefined;
  const url = new URL(parsed);
  if ((url.protocol !== 'https:' && url.protocol !== 'http:') || url.search !== '' || url.hash !== '')
    return undefined;
  // A password belongs to `configs`, where it goes to that server alone
  if (url.username !== '' || url.password !== '' || !/^[!-~]+$/.test(text)) return undefined;
  // The port as it is written: a parser leaves out the usual one
  const written = parsed
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/\/.*$/s, '')
    .toLowerCase();
  // A parser makes hosts of much that is none: only what it leaves as it is counts
  const port = /:(\d+)$/.exec(written)?.[1];
  const host = port === undefined ? written : written.slice(0, -1 - port.length);
  if (host !== url.hostname && !/^\[[\da-f:.]+\]$/.test(host)) return undefined;
  const registry = registryOfHost(written);
  const scheme = schemeGiven ? url.protocol.slice(0, -1) : schemeOfHost(written);
  const path = url.pathname.replace(/\/+/g, '/').replace(/\/$/, '');
  const overridePath = path !== '' && path !== '/v2';
  return {
    url: `${scheme}://${hostOfRegistry(registry)}${overridePath ? path : '/v2'}`,
    registry,
    overridePath,
    isHost: written === text.toLowerCase(),
  };
}
