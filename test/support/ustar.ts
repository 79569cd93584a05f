/** A tar with these regular files (POSIX ustar), in their order; the same files give the same bytes. */
export function ustarOf(files: readonly (readonly [name: string, content: Uint8Array])[]): Buffer {
  return Buffer.concat([...files.flatMap(([name, content]) => member(name, content)), Buffer.alloc(1024)]);
}

function member(name: string, content: Uint8Array): Uint8Array[] {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.byteLength.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [header, content, Buffer.alloc((512 - (content.byteLength % 512)) % 512)];
}
