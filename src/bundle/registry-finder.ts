import type { PlatformChoice } from '../image/platform-choice.ts';
import { openRegistryImages, type RegistryImages, type RegistrySettings } from '../registry/registry.ts';
import type { FoundImage, ImageFinder } from './image-finder.ts';

/** Registries as what images are found in. Layers are read from them as they are written, and kept nowhere else. */
export class RegistryFinder implements ImageFinder, AsyncDisposable {
  readonly #settings: RegistrySettings;
  readonly #choice: PlatformChoice;
  readonly #opened: RegistryImages[] = [];

  constructor(settings: RegistrySettings, choice: PlatformChoice) {
    this.#settings = settings;
    this.#choice = choice;
  }

  /** @throws ImgctlError `image_unknown`, and those of the registry: whoever names an image wants to hear why not */
  async find(reference: Parameters<ImageFinder['find']>[0], signal?: AbortSignal): Promise<FoundImage> {
    const source = await openRegistryImages([reference], this.#settings, {
      platforms: [this.#choice],
      signal,
    });
    this.#opened.push(source);
    const [image] = source.images;
    if (image === undefined) throw source.failed[0] ?? new Error('a registry that answers nothing');
    return { target: image.target, source, attached: [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map((source) => source[Symbol.asyncDispose]()));
  }
}
