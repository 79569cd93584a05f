import type { PlatformChoice } from '../image/platform-choice.ts';
import type { Reference } from '../image/reference.ts';
import { openRegistries, type Registries, type RegistrySettings } from '../registry/registry.ts';
import type { FoundImage, ImageFinder } from './image-finder.ts';

export interface RegistryFinderOptions {
  readonly choice: PlatformChoice;
  /** Whether what stands beside an image is looked for: four requests an image. */
  readonly signatures: boolean;
}

/** Registries as what images are found in. Layers are read from them as they are written, and kept nowhere else. */
export class RegistryFinder implements ImageFinder, AsyncDisposable {
  readonly #registries: Registries;
  readonly #signatures: boolean;

  constructor(settings: RegistrySettings, { choice, signatures }: RegistryFinderOptions) {
    this.#registries = openRegistries(settings, { platforms: [choice] });
    this.#signatures = signatures;
  }

  /** @throws ImgctlError `image_unknown`, and those of the registry: whoever names an image wants to hear why not */
  async find(reference: Reference, signal?: AbortSignal): Promise<FoundImage> {
    const { target, attached } = await this.#registries.find(reference, signal);
    const entries = this.#signatures ? await attached(signal) : [];
    const beside = entries.map((entry) => ({ entry, subject: target.digest }));
    return { target, source: this.#registries, isRemote: true, attached: beside };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registries[Symbol.asyncDispose]();
  }
}
