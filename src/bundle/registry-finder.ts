import type { PlatformChoice } from '../image/platform-choice.ts';
import { openRegistryImages, type RegistrySettings } from '../registry/registry.ts';
import { RegistryClients } from '../registry/registry-clients.ts';
import type { FoundImage, ImageFinder } from './image-finder.ts';

/** Registries as what images are found in. Layers are read from them as they are written, and kept nowhere else. */
export class RegistryFinder implements ImageFinder, AsyncDisposable {
  readonly #choice: PlatformChoice;
  readonly #clients: RegistryClients;

  constructor(settings: RegistrySettings, choice: PlatformChoice) {
    this.#choice = choice;
    this.#clients = new RegistryClients(settings);
  }

  /** @throws ImgctlError `image_unknown`, and those of the registry: whoever names an image wants to hear why not */
  async find(reference: Parameters<ImageFinder['find']>[0], signal?: AbortSignal): Promise<FoundImage> {
    const source = await openRegistryImages([reference], this.#clients, {
      platforms: [this.#choice],
      signal,
    });
    const [image] = source.images;
    if (image === undefined) throw source.failed[0] ?? new Error('a registry that answers nothing');
    return { target: image.target, source, attached: [] };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#clients[Symbol.asyncDispose]();
  }
}
