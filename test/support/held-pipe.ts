import { PassThrough } from 'node:stream';
import { type TarMember, tarOf } from './archives.ts';

/** A pipe whose writer stops before some member of the tar that it writes, until the test lets it go on. */
export interface HeldPipe {
  readonly input: PassThrough;
  /** Writes the rest, and ends. */
  finish(): void;
  /** Ends as a writer does that dies. */
  breakOff(): void;
}

/** `until`: the name of the first member that is held back; `bytes` of it are written with what comes before. */
export async function heldPipe(members: readonly TarMember[], until: string, bytes = 0): Promise<HeldPipe> {
  const at = members.findIndex(({ name }) => name === until);
  // Two empty blocks are the end
  const head = (await tarOf(members.slice(0, at))).byteLength - 1024;
  const whole = await tarOf(members);
  const written = head + bytes;
  const input = new PassThrough();
  input.write(whole.subarray(0, written));
  return {
    input,
    finish: () => void input.end(whole.subarray(written)),
    breakOff: () => void input.end(),
  };
}
