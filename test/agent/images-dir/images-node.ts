import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentLimits } from '../../../src/agent/http/context.ts';
import type { AgentSettings } from '../../../src/agent/main.ts';
import type { DirectoryFile } from '../../../src/agent-api/schemas.ts';
import { printable } from '../../../src/errors.ts';
import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { becomes } from '../../support/becomes.ts';
import { startAgent, type TestAgent } from '../test-agent.ts';

/** Short, so that tests are; the order of things is the same. */
const quick = { settleMs: 80, scanMs: 400, backOffMs: 60, backOffMostMs: 120 };

export interface ImagesNodeOptions {
  /** Opened anew at each start; by default an image layout in a directory of its own. */
  readonly open?: () => Promise<Store> | Store;
  readonly settings?: Partial<AgentSettings>;
  readonly limits?: Partial<AgentLimits>;
}

/** A real agent with an images directory. */
export class ImagesNode implements AsyncDisposable {
  readonly directory: string;
  readonly dataDir: string;
  readonly #root: string;
  readonly #options: ImagesNodeOptions;
  #agent: TestAgent | undefined;
  #store: Store | undefined;

  private constructor(root: string, options: ImagesNodeOptions) {
    this.#root = root;
    this.#options = options;
    this.directory = join(root, 'images');
    this.dataDir = join(root, 'data');
  }

  /** `prepare` fills the directory before the agent starts. */
  static async start(
    options: ImagesNodeOptions = {},
    prepare: (directory: string) => Promise<unknown> = async () => {},
  ): Promise<ImagesNode> {
    const node = new ImagesNode(await mkdtemp(join(tmpdir(), 'imgctl-images-dir-')), options);
    await mkdir(node.directory);
    await prepare(node.directory);
    await node.begin();
    return node;
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error('it is stopped');
    return this.#store;
  }

  get client(): TestAgent['client'] {
    return this.#running.client;
  }

  get agent(): TestAgent {
    return this.#running;
  }

  async begin(settings: Partial<AgentSettings> = {}): Promise<void> {
    const { open, limits } = this.#options;
    const directory = join(this.#root, 'store');
    this.#store = (await open?.()) ?? (await openOciLayoutStore({ directory, namespace: 'k8s.io' }));
    this.#agent = await startAgent(this.#store, {
      settings: {
        imagesDir: this.directory,
        dataDir: this.dataDir,
        ...this.#options.settings,
        ...settings,
      },
      limits: { ...quick, ...limits },
    });
  }

  async stop(): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    this.#store = undefined;
    await agent?.[Symbol.asyncDispose]();
  }

  async restart(settings: Partial<AgentSettings> = {}): Promise<void> {
    await this.stop();
    await this.begin(settings);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** What is said of the file, once it is so. */
  file(name: string, isSo: (file: DirectoryFile) => boolean): Promise<DirectoryFile> {
    return this.fileAt(this.path(name), isSo);
  }

  fileAt(path: string, isSo: (file: DirectoryFile) => boolean): Promise<DirectoryFile> {
    return becomes(
      async () =>
        (await this.client.imagesDirectory()).files.find((file) => file.path === printable(path)) as
          | DirectoryFile
          | undefined,
      (file) => file !== undefined && isSo(file),
    ) as Promise<DirectoryFile>;
  }

  ready(name: string): Promise<DirectoryFile> {
    return this.file(name, ({ state }) => state === 'ready');
  }

  failed(name: string): Promise<DirectoryFile> {
    return this.file(name, ({ state }) => state === 'failed');
  }

  /** Messages of its log, since it started last, that begin so. */
  messages(start: string): readonly string[] {
    return this.#running.log
      .map((line) => String((JSON.parse(line) as { msg?: string }).msg))
      .filter((message) => message.startsWith(start));
  }

  get #running(): TestAgent {
    if (this.#agent === undefined) throw new Error('it is stopped');
    return this.#agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#root, { recursive: true, force: true });
  }
}

/** The names that a store has, without those by digest. */
export async function tagsIn(store: Store): Promise<readonly string[]> {
  const images = await store.listImages();
  return images
    .map(({ name }) => name)
    .filter((name) => !name.includes('@'))
    .toSorted();
}
