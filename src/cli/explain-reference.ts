import type { ConfiguredEndpoint } from '../config/registries/configured-endpoint.ts';
import type { RegistryHosts } from '../config/registries/registry-hosts.ts';
import { formatReference, type Reference } from '../image/reference.ts';

/** A credential by what it is and where it stands: never what it says. */
export interface NamedCredential {
  readonly kind: 'password' | 'identity' | 'registry' | 'helper';
  readonly source: string;
}

export interface ExplainOptions {
  readonly hosts: RegistryHosts;
  sourcesOf(endpoint: ConfiguredEndpoint): Promise<readonly NamedCredential[]>;
}

const kindNames = {
  password: 'password',
  identity: 'refresh token',
  registry: 'token',
  helper: 'what a helper gives, by way',
} as const;

/** Which servers would be asked for an image, in which order, and as whom. @throws ImgctlError `config_invalid` */
export async function explainReference(
  reference: Reference,
  { hosts, sourcesOf }: ExplainOptions,
): Promise<{ readonly lines: readonly string[]; readonly details: Readonly<Record<string, unknown>> }> {
  const image = formatReference(reference);
  const endpoints = await hosts.endpointsOf(reference);
  const explained = await Promise.all(
    endpoints.map(async (endpoint) => {
      const credentials = await sourcesOf(endpoint);
      return {
        url: endpoint.url,
        repository: endpoint.repository,
        capabilities: endpoint.capabilities,
        mirror: endpoint.mirrorOf !== undefined,
        tls: tlsOf(endpoint),
        headers: Object.keys(endpoint.headers ?? {}),
        credentials: credentials.map(({ kind, source }) => ({ kind, source })),
      };
    }),
  );
  const lines = explained.flatMap(({ url, repository, capabilities, tls, headers, credentials }, i) => [
    `${i + 1}. ${url}, for ${repository}${capabilities.length === 2 ? '' : ` (${capabilities.join(', ') || 'nothing'} only)`}`,
    ...(tls === undefined ? [] : [`   ${tlsLine(tls)}`]),
    ...(headers.length === 0 ? [] : [`   shown the headers ${headers.join(', ')}`]),
    ...credentials.map(({ kind, source }) => `   ${kindNames[kind]} of ${source}`),
    ...(credentials.length === 0 ? ['   without credentials'] : []),
  ]);
  const origin = hosts.origin === undefined ? 'no configuration' : hosts.origin;
  return {
    lines: [`${image} (${origin})`, ...lines],
    details: { image, ...(hosts.origin === undefined ? {} : { origin }), endpoints: explained },
  };
}

type Tls = ReturnType<typeof tlsOf>;

function tlsOf({ tlsFiles }: ConfiguredEndpoint) {
  if (tlsFiles === undefined) return undefined;
  const { ca, client, skipVerify = false } = tlsFiles;
  return { ca, ...(client === undefined ? {} : { cert: client[0] }), skipVerify };
}

function tlsLine({ ca, cert, skipVerify }: NonNullable<Tls>): string {
  const parts = [
    ...(skipVerify ? ['its certificate is not verified'] : []),
    ...(ca.length === 0 ? [] : [`verified by ${ca.join(', ')}`]),
    ...(cert === undefined ? [] : [`shown the certificate ${cert}`]),
  ];
  return parts.length === 0 ? 'verified as usual' : parts.join('; ');
}
