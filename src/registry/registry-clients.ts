import type { Reference } from '../image/reference.ts';
import { defaultPatience, EndpointClient } from './endpoint-client.ts';
import type { RegistryBlob } from './open-blob.ts';
import { BlobReads, readBlob } from './read-blob.ts';
import { type RegistrySettings, Repository, type Rests } from './repository.ts';
import { Transport } from './transport.ts';

/**
 * The clients of one run to all registries: its images share connections, tokens, and what was found out about servers.
 * Whoever makes them closes them.
 */
export class RegistryClients implements AsyncDisposable {
  readonly reads = new BlobReads();
  readonly #settings: RegistrySettings;
  readonly #transport: Transport;
  /** Each repository's, by its name: a token is for one repository. */
  readonly #clients = new Map<string, Promise<readonly EndpointClient[]>>();
  readonly #rests: Rests = new Map();

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
    this.#transport = new Transport(settings.proxyOf);
  }

  /** @throws what `endpointsOf` of the settings does */
  async repository(reference: Reference): Promise<Repository> {
    const name = `${reference.registry}/${reference.repository}`;
    const known = this.#clients.get(name) ?? this.#clientsOf(reference);
    this.#clients.set(name, known);
    const { patience = defaultPatience } = this.#settings;
    return new Repository(reference, { clients: await known, patience, rests: this.#rests });
  }

  /** Bytes of a blob from `offset` on, from any repository of these that has it. @throws as `readBlob` */
  async *read(
    blob: Pick<RegistryBlob, 'digest' | 'size'>,
    references: readonly Reference[],
    offset: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const repositories = await Promise.all(references.map((reference) => this.repository(reference)));
    yield* readBlob({ ...blob, in: repositories }, offset, this.reads, signal);
  }

  async #clientsOf(reference: Reference): Promise<readonly EndpointClient[]> {
    const endpoints = await this.#settings.endpointsOf(reference).catch((error) => {
      // A file may be half written: it is read another time
      this.#clients.delete(`${reference.registry}/${reference.repository}`);
      throw error;
    });
    return endpoints.map(
      (endpoint) =>
        new EndpointClient(endpoint, this.#transport, () => this.#settings.credentialsOf(endpoint)),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#transport[Symbol.asyncDispose]();
  }
}
