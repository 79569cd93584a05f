import type { Descriptor } from '../../image/descriptor.ts';
import type { ConfirmRequest, ImageRecord, UnpackLayer } from '../store.ts';

/** What a test lets go wrong: each is called where a real store could fail, and fails the operation by throwing. */
export interface Faults {
  readonly info?: (() => void | Promise<void>) | undefined;
  /** Before each chunk is stored; `offset` in bytes. What it throws breaks the write off as a lost connection does. */
  readonly write?: ((blob: Descriptor, offset: number) => void | Promise<void>) | undefined;
  readonly unpack?: ((layer: UnpackLayer) => void | Promise<void>) | undefined;
  readonly name?: ((image: ImageRecord) => void | Promise<void>) | undefined;
  readonly confirm?: ((image: ConfirmRequest) => void | Promise<void>) | undefined;
}
