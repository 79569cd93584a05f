import type { BlobToSend } from '../../agent-api/import-node.ts';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import { parseReference } from '../../image/reference.ts';
import type { RegistryClients } from '../../registry/registry-clients.ts';
import type { Feed } from '../relay/fetch-along.ts';
import type { Heart } from '../relay/relay-blob.ts';

export interface RegistryBodyOptions {
  readonly blob: BlobToSend;
  /** Names of images in whose repositories it is. */
  readonly images: readonly string[];
  readonly clients: Pick<RegistryClients, 'read'>;
  /** Beats while a registry is waited for. */
  readonly heart: Pick<Heart, 'during'>;
  onBytes(bytes: number): void;
}

/** A blob's bytes as registries send them: one stream, in order, no faster than it is read. */
export class RegistryBody implements Feed {
  readonly #options: RegistryBodyOptions;
  #failure: ImgctlError | undefined;

  constructor(options: RegistryBodyOptions) {
    this.#options = options;
  }

  get failure(): ImgctlError | undefined {
    return this.#failure;
  }

  /** Read from its start it was verified here; else what the node held before may have been wrong. */
  blame(cause: ImgctlError): ImgctlError {
    return this.#failure ?? cause;
  }

  outcomes(): [] {
    return [];
  }

  async *bytes(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { blob, images, clients, heart, onBytes } = this.#options;
    const chunks = clients.read(blob, images.map(parseReference), blob.offset, signal);
    try {
      for (;;) {
        const { value, done } = await heart.during(chunks.next());
        if (done) return;
        onBytes(value.byteLength);
        yield value;
      }
    } catch (thrown) {
      signal.throwIfAborted();
      this.#failure = ofRegistry(toImgctlError(thrown), blob);
      // To those behind it is the route that broke
      throw new ImgctlError('interrupted', `the route ended before its first node: ${this.#failure.message}`);
    } finally {
      await chunks.return(undefined).catch(() => undefined);
    }
  }
}

function ofRegistry({ code, message, hint, context }: ImgctlError, { digest }: BlobToSend): ImgctlError {
  return new ImgctlError(code, message, { hint, context: { ...context, digest, phase: 'fetch' } });
}
