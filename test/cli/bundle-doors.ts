import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { signContent } from '../../src/trust/minisign.ts';
import { newKeyPair, readSecretKey, type SecretKey } from '../../src/trust/minisign-key.ts';
import { ImagesNode, tagsIn } from '../agent/images-dir/images-node.ts';
import type { TarMember } from '../support/archives.ts';
import { runHere } from '../support/run-here.ts';

/** What was said at each door, by the door and the form: `verify packed`. */
export type Tried = Readonly<Record<string, { readonly status: number; readonly told: string }>>;

/**
 * Each door that a bundle has, where there is a key to verify it with: shown, verified, imported with the key, and put
 * into the images directory of an agent that has the key.
 */
export class BundleDoors implements AsyncDisposable {
  readonly #dir: string;
  readonly #key: SecretKey;
  /** What is imported into. */
  readonly #target: ImagesNode;
  /** One with an images directory and the key. */
  readonly #node: ImagesNode;
  #archives = 0;

  private constructor(dir: string, key: SecretKey, target: ImagesNode, node: ImagesNode) {
    this.#dir = dir;
    this.#key = key;
    this.#target = target;
    this.#node = node;
  }

  static async open(): Promise<BundleDoors> {
    const dir = mkdtempSync(join(tmpdir(), 'imgctl-bundle-doors-'));
    const { publicText, secretText } = await newKeyPair();
    writeFileSync(join(dir, 'key.pub'), publicText);
    writeFileSync(join(dir, 'key'), secretText);
    const key = await readSecretKey(join(dir, 'key'));
    const target = await ImagesNode.start();
    writeFileSync(join(dir, 'token'), target.agent.token, { mode: 0o600 });
    const node = await ImagesNode.start({ settings: { imagesDirVerifyKey: join(dir, 'key.pub') } });
    return new BundleDoors(dir, key, target, node);
  }

  /** What stands in a layout beside the index that is signed. */
  signatureOf(index: string): TarMember {
    return { name: 'index.json.minisig', body: signContent(Buffer.from(index), this.#key, 'of a test') };
  }

  /** What is said of an archive at each door, plain and compressed; `tags`: what the stores have got by now. */
  async try(archive: Buffer): Promise<{ results: Tried; tags: readonly string[] }> {
    this.#archives += 1;
    const forms = { plain: archive, packed: zstdCompressSync(archive) };
    const results: Record<string, { status: number; told: string }> = {};
    const inDirectory = Object.entries(forms).map(async ([form, bytes]) => {
      results[`directory ${form}`] = await this.#inDirectory(`${this.#archives}-${form}.tar`, bytes);
    });
    const publicKey = join(this.#dir, 'key.pub');
    const trust = ['--token-file', join(this.#dir, 'token'), '--verify-key', publicKey];
    const to = ['--nodes', this.#target.agent.url.host, ...trust];
    for (const [form, bytes] of Object.entries(forms)) {
      const file = join(this.#dir, `${form}.tar`);
      writeFileSync(file, bytes);
      for (const [door, args] of Object.entries({
        inspect: ['bundle', 'inspect', file],
        verify: ['bundle', 'verify', file, '--verify-key', publicKey],
        import: ['images', 'import', file, ...to],
      })) {
        const { status, stdout, stderr } = await runHere(args);
        results[`${door} ${form}`] = { status, told: stdout + stderr };
      }
    }
    await Promise.all(inDirectory);
    return {
      results,
      tags: [...(await tagsIn(this.#target.store)), ...(await tagsIn(this.#node.store))],
    };
  }

  async #inDirectory(file: string, bytes: Buffer) {
    writeFileSync(this.#node.path(file), bytes);
    const { state, images, error } = await this.#node.file(file, (one) =>
      ['ready', 'failed'].includes(one.state),
    );
    const isReady = state === 'ready' && images.every((image) => image.state === 'ready');
    return { status: isReady ? 0 : 1, told: `[${error?.code ?? 'none'}] ${error?.message ?? ''}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#target, this.#node].map((each) => each[Symbol.asyncDispose]()));
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
