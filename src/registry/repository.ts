import { hasCode, ImgctlError, toImgctlError } from '../errors.ts';
import { formatReference, type Reference } from '../image/reference.ts';
import type { Credential, RegistryEndpoint } from '../image/registry-endpoint.ts';
import type { EndpointClient, Patience } from './endpoint-client.ts';

/** Where repositories are, who one is there, and how one gets there: what configuration says. */
export interface RegistrySettings {
  /** Where to ask for a repository, in this order. */
  endpointsOf(reference: Reference): Promise<readonly RegistryEndpoint[]>;
  /** Who one may be there, in this order: asked for when a server wants to know. */
  credentialsOf(endpoint: RegistryEndpoint): Promise<readonly Credential[]>;
  /** The proxy on the way to a server; absent: none. */
  proxyOf?: ((url: URL) => string | undefined) | undefined;
  /** The default suits people and servers. */
  readonly patience?: Patience | undefined;
}

/** A server that could not be reached is asked last for so long, in milliseconds. */
const restMs = 30_000;
/** While another server may have it, one in trouble is not waited for. */
const impatient = { attempts: 2, longestDelayMs: 2_000 };

/** Until when servers that could not be reached are asked last, by their origin: milliseconds since 1970. */
export type Rests = Map<string, number>;

/** One repository, on as many servers as it may be on. */
export class Repository {
  readonly reference: Reference;
  readonly #clients: readonly EndpointClient[];
  readonly #patience: Patience;
  readonly #rests: Rests;

  constructor(
    reference: Reference,
    { clients, patience, rests }: { clients: readonly EndpointClient[]; patience: Patience; rests: Rests },
  ) {
    this.reference = reference;
    this.#clients = clients;
    this.#patience = patience;
    this.#rests = rests;
  }

  /** Without tag and digest. */
  get name(): string {
    return `${this.reference.registry}/${this.reference.repository}`;
  }

  /**
   * What the first server answers that can: each is asked once another could not.
   * @throws ImgctlError that of the last of them, with the others' in its context
   */
  async fromAny<T>(
    capability: 'resolve' | 'pull',
    signal: AbortSignal | undefined,
    ask: (client: EndpointClient, patience: Patience) => Promise<T>,
  ): Promise<T> {
    const able = this.#clients.filter(({ endpoint }) => endpoint.capabilities.includes(capability));
    const inOrder = able.toSorted((a, b) => Number(this.#isResting(a)) - Number(this.#isResting(b)));
    const failed: { readonly client: EndpointClient; readonly error: ImgctlError }[] = [];
    for (const [i, client] of inOrder.entries()) {
      const isLast = i === inOrder.length - 1;
      try {
        return await ask(client, isLast ? this.#patience : { ...this.#patience, ...impatient });
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = toImgctlError(thrown);
        if (hasCode(error, 'internal', 'interrupted')) throw error;
        if (hasCode(error, 'registry_unreachable')) this.leaveAlone(client);
        failed.push({ client, error });
      }
    }
    throw this.#failure(failed);
  }

  /** For a while it is asked last. */
  leaveAlone({ url }: EndpointClient): void {
    this.#rests.set(url.origin, Date.now() + restMs);
  }

  #isResting({ url }: EndpointClient): boolean {
    return Date.now() < (this.#rests.get(url.origin) ?? 0);
  }

  /** In the order of the configuration: the registry itself says best why it is not there. */
  #failure(failed: readonly { readonly client: EndpointClient; readonly error: ImgctlError }[]): ImgctlError {
    const image = formatReference(this.reference);
    const sorted = failed.toSorted(
      (a, b) => this.#clients.indexOf(a.client) - this.#clients.indexOf(b.client),
    );
    const last = sorted.at(-1);
    if (last === undefined) {
      return new ImgctlError('image_unknown', `no endpoint is configured that could give ${image}`, {
        hint: 'imgctl registries explain says which are.',
        context: { image },
      });
    }
    if (sorted.length === 1) return last.error.within({ image });
    const others = sorted.slice(0, -1).map(({ client, error }) => `${client.url.host} (${error.code})`);
    const { code, message, hint, context } = last.error;
    return new ImgctlError(code, `${message}; before it ${others.join(', ')}`, {
      hint,
      context: { ...context, image, tried: sorted.map(({ client }) => client.url.host) },
      cause: last.error,
    });
  }
}
