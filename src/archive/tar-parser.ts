import { ImgctlError } from '../errors.ts';
import { truncated, unreadable } from './archive-errors.ts';
import { whyNotTar } from './not-a-tar.ts';
import { decodePaxRecords } from './pax-records.ts';
import { blockBytes, decodeTarHeader, isZeroBlock, type TarHeader, text } from './tar-header.ts';

/** A member of a tar archive, long names resolved. */
export interface TarEntry {
  readonly name: string;
  readonly kind: 'file' | 'link' | 'symlink' | 'directory' | 'other';
  /** Where its body begins, in bytes from the start of the tar. */
  readonly position: number;
  readonly size: number;
  readonly linkName: string;
}

export type TarEvent =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'body'; readonly entry: TarEntry; readonly bytes: Uint8Array };

/** No tool writes a name or an extended header that is longer, in bytes. */
const maxMetaBytes = 1024 * 1024;

/**
 * A tar reader without input or output: bytes are pushed in, members and their bodies come out.
 * Between two pushes, `skippable` says how many of the next bytes it does not want: a reader of a file seeks over them.
 * Reads v7, ustar, pax and GNU; ends at two zero blocks, as GNU tar does, and ignores what follows them.
 */
export class TarParser {
  readonly #label: string;
  #position = 0;
  #ended = false;
  #zeroBlocks = 0;
  /** A header block that is not whole yet. */
  #pending: Uint8Array = new Uint8Array(0);
  #body: { readonly entry: TarEntry; left: number } | undefined;
  #padding = 0;
  #meta: { readonly header: TarHeader; readonly chunks: Uint8Array[]; left: number } | undefined;
  #globals = new Map<string, string>();
  #overrides = new Map<string, string>();

  constructor(label: string) {
    this.#label = label;
  }

  /** Bytes pushed or skipped so far. */
  get position(): number {
    return this.#position;
  }

  /** Whether the end-of-archive marker was met; what is pushed after it is ignored. */
  get ended(): boolean {
    return this.#ended;
  }

  /** How many bytes from here on may be passed to `skip` instead of `push`. */
  get skippable(): number {
    return this.#meta === undefined ? (this.#body?.left ?? 0) + this.#padding : 0;
  }

  /** The member whose body the next bytes belong to. */
  get current(): TarEntry | undefined {
    return this.#body?.entry;
  }

  skip(bytes: number): void {
    if (bytes > this.skippable) throw new RangeError('more than may be skipped');
    const body = Math.min(bytes, this.#body?.left ?? 0);
    this.#advanceBody(body);
    this.#padding -= bytes - body;
    this.#position += bytes;
  }

  /**
   * Body bytes are views of `chunk`. The events must be taken to the end before the next push.
   * @throws ImgctlError `archive_unreadable`
   */
  *push(chunk: Uint8Array): Generator<TarEvent, void, undefined> {
    let rest = chunk;
    const take = (bytes: number): Uint8Array => {
      const taken = rest.subarray(0, bytes);
      rest = rest.subarray(taken.byteLength);
      this.#position += taken.byteLength;
      return taken;
    };
    while (rest.byteLength > 0) {
      if (this.#ended) take(rest.byteLength);
      else if (this.#meta !== undefined) this.#takeMeta(take(this.#meta.left));
      else if (this.#body !== undefined) {
        const { entry } = this.#body;
        const bytes = take(this.#body.left);
        this.#advanceBody(bytes.byteLength);
        yield { kind: 'body', entry, bytes };
      } else if (this.#padding > 0) this.#padding -= take(this.#padding).byteLength;
      else {
        const block = this.#block(take(blockBytes - this.#pending.byteLength));
        const entry = block === undefined ? undefined : this.#header(block);
        if (entry !== undefined) yield { kind: 'entry', entry };
      }
    }
  }

  /**
   * Call when no bytes are left.
   * @throws ImgctlError `archive_empty`, `archive_truncated` where a member is not whole
   */
  end(): void {
    if (this.#ended) return;
    if (this.#position === 0) throw empty(this.#label);
    if (this.#body !== undefined) throw truncated(this.#label, cutEntry(this.#body.entry, this.#body.left));
    if (this.#meta !== undefined || this.#pending.byteLength > 0) {
      if (this.#position < blockBytes) throw whyNotTar(this.#label, this.#pending);
      throw truncated(this.#label, `it ends within a file header, after ${this.#position} bytes`);
    }
    if (this.#padding > 0)
      throw truncated(this.#label, `it ends within a block, after ${this.#position} bytes`);
  }

  #advanceBody(bytes: number): void {
    if (this.#body === undefined) return;
    this.#body.left -= bytes;
    if (this.#body.left === 0) this.#body = undefined;
  }

  #block(bytes: Uint8Array): Uint8Array | undefined {
    const block = this.#pending.byteLength === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    if (block.byteLength === blockBytes) {
      this.#pending = new Uint8Array(0);
      return block;
    }
    this.#pending = Uint8Array.from(block);
    return undefined;
  }

  #header(block: Uint8Array): TarEntry | undefined {
    if (isZeroBlock(block)) {
      // A lone zero block is passed over, as GNU tar does
      this.#zeroBlocks += 1;
      this.#ended = this.#zeroBlocks === 2;
      return undefined;
    }
    const header = decodeTarHeader(block);
    const at = this.#position - blockBytes;
    if (header === undefined) {
      if (at === 0) throw whyNotTar(this.#label, block);
      throw unreadable(this.#label, `what stands at byte ${at} is no tar header`);
    }
    this.#zeroBlocks = 0;
    this.#padding = (blockBytes - (header.size % blockBytes)) % blockBytes;
    if (isMeta(header)) return this.#openMeta(header);
    return this.#entry(header);
  }

  #openMeta(header: TarHeader): undefined {
    if (header.size > maxMetaBytes) {
      throw unreadable(this.#label, `a file name or extended header has ${header.size} bytes`);
    }
    this.#meta = { header, chunks: [], left: header.size };
    if (header.size === 0) this.#takeMeta(new Uint8Array(0));
  }

  #takeMeta(bytes: Uint8Array): void {
    const meta = this.#meta;
    if (meta === undefined) return;
    meta.chunks.push(Uint8Array.from(bytes));
    meta.left -= bytes.byteLength;
    if (meta.left > 0) return;
    this.#meta = undefined;
    const body = Buffer.concat(meta.chunks);
    if (meta.header.kind === 'long-name') this.#overrides.set('path', text(body));
    else if (meta.header.kind === 'long-link') this.#overrides.set('linkpath', text(body));
    else {
      const records = decodePaxRecords(body);
      if (records === undefined) throw unreadable(this.#label, 'it has a malformed extended (pax) header');
      const target = meta.header.kind === 'pax-global' ? this.#globals : this.#overrides;
      for (const [key, value] of records) target.set(key, value);
    }
  }

  #entry(header: TarHeader): TarEntry {
    const pax = (key: string) => this.#overrides.get(key) ?? this.#globals.get(key);
    const name = pax('path') ?? header.name;
    const sparse =
      header.kind === 'sparse' || [...this.#overrides.keys()].some((key) => key.startsWith('GNU.sparse.'));
    if (sparse || header.kind === 'continuation') {
      const what = sparse ? 'as a sparse file' : 'as the rest of a multi-volume archive';
      throw unreadable(this.#label, `it holds ${JSON.stringify(name)} ${what}, which is not supported`, {
        hint: 'Pack it again with tar, without --sparse and --multi-volume.',
      });
    }
    const size = header.kind === 'file' || header.kind === 'other' ? this.#size(pax('size'), header.size) : 0;
    this.#padding = (blockBytes - (size % blockBytes)) % blockBytes;
    const linkName = pax('linkpath') ?? header.linkName;
    this.#overrides = new Map();
    const entry: TarEntry = { name, kind: kindOf(header), position: this.#position, size, linkName };
    if (size > 0) this.#body = { entry, left: size };
    return entry;
  }

  #size(declared: string | undefined, fallback: number): number {
    const size =
      declared === undefined || declared === '' ? fallback : /^\d+$/.test(declared) ? Number(declared) : -1;
    if (size >= 0 && Number.isSafeInteger(this.#position + size)) return size;
    throw unreadable(this.#label, `a file in it is said to have ${declared ?? fallback} bytes`);
  }
}

function isMeta({ kind }: TarHeader): boolean {
  return kind === 'pax' || kind === 'pax-global' || kind === 'long-name' || kind === 'long-link';
}

function kindOf({ kind }: TarHeader): TarEntry['kind'] {
  return kind === 'file' || kind === 'link' || kind === 'symlink' || kind === 'directory' ? kind : 'other';
}

function cutEntry({ name, size }: TarEntry, left: number): string {
  return `${name} has ${size} bytes, the last ${left} of them are missing`;
}

function empty(label: string): ImgctlError {
  return new ImgctlError('archive_empty', `${label} is empty`, {
    hint: 'Check the command that writes it: docker save IMAGE:TAG | imgctl images import',
    context: { path: label },
  });
}
