import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { extract } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { PositionedFile } from '../../src/archive/positioned-file.ts';
import { scanFile } from '../../src/archive/scan-file.ts';
import { type TarEntry, TarParser } from '../../src/archive/tar-parser.ts';
import { type TarMember, tarOf } from '../support/archives.ts';
import { failure, fileWith, folder, openFile } from './opened.ts';
import { hasTool, run } from './tools.ts';

interface Member extends TarEntry {
  body: string;
}

/** Everything that the parser finds, fed in pieces of `chunk` bytes. */
function parse(tar: Uint8Array, chunk = tar.length): Member[] {
  const parser = new TarParser('it');
  const members: Member[] = [];
  for (let at = 0; at < tar.length; at += chunk) {
    for (const event of parser.push(tar.subarray(at, at + chunk))) {
      if (event.kind === 'entry') members.push({ ...event.entry, body: '' });
      else (members.at(-1) as Member).body += Buffer.from(event.bytes).toString('latin1');
    }
  }
  parser.end();
  return members;
}

async function withFile<T>(path: string, use: (file: PositionedFile) => Promise<T>): Promise<T> {
  const { openSync, fstatSync } = await import('node:fs');
  const fd = openSync(path, 'r');
  await using file = new PositionedFile(fd, { label: path, size: fstatSync(fd).size, start: 0, owned: true });
  return await use(file);
}

/** A header with these fields, its checksum right. */
function header(fields: {
  name: string;
  size: string | Buffer;
  type?: string;
  linkname?: string;
  magic?: string;
}): Buffer {
  const block = Buffer.alloc(512);
  block.write(fields.name, 0, 'utf8');
  block.write('0000644\0', 100);
  if (typeof fields.size === 'string') block.write(fields.size, 124);
  else fields.size.copy(block, 124);
  block.write(fields.type ?? '0', 156);
  block.write(fields.linkname ?? '', 157);
  block.write(fields.magic ?? 'ustar\x0000', 257, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

const long = `${'deep/'.repeat(60)}file`;

describe('the tar reader', () => {
  it('finds what tar-stream packed, whatever the pieces', async () => {
    const name = fc.stringMatching(/^[a-z0-9äß]{1,12}(?:\/[a-z0-9]{1,60}){0,4}$/);
    const member = fc.record({ name, body: fc.string({ maxLength: 1500 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(member, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 3000 }),
        async (members, chunk) => {
          const found = parse(await tarOf(members), chunk);
          expect(
            found.map(({ name, body }) => ({ name, body: Buffer.from(body, 'latin1').toString() })),
          ).toEqual(members);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('agrees with tar-stream on where bodies begin', async () => {
    const tar = await tarOf([
      { name: long, body: 'one' },
      { name: 'b', body: 'two' },
      { name: 'c', type: 'symlink', linkname: long },
    ]);
    const expected: string[] = [];
    const oracle = extract();
    oracle.on('entry', (found, stream, next) => {
      expected.push(`${found.name} ${found.size} ${found.linkname ?? ''}`);
      stream.on('end', next).resume();
    });
    await pipeline(Readable.from([tar]), oracle);
    const found = parse(tar);
    expect(found.map(({ name, size, linkName }) => `${name} ${size} ${linkName}`)).toEqual(expected);
    expect(found.map(({ position, size }) => tar.toString('utf8', position, position + size))).toEqual([
      'one',
      'two',
      '',
    ]);
  });

  describe.runIf(hasTool('tar'))('with GNU tar', () => {
    const root = mkdtempSync(join(folder, 'gnu-'));
    const deep = `${'a-long-folder-name/'.repeat(9)}file`;
    mkdirSync(join(root, deep, '..'), { recursive: true });
    writeFileSync(join(root, deep), 'deep');
    writeFileSync(join(root, 'short'), 'short');
    writeFileSync(join(root, 'umläut'), 'u');
    run('ln', ['-s', deep, join(root, 'symbolic')]);
    run('ln', [join(root, deep), join(root, 'zz-hard')]);
    const pack = (...options: string[]) =>
      run('tar', ['-C', root, ...options, '-cf', '-', deep, 'short', 'umläut', 'symbolic', 'zz-hard']);

    it.each([['gnu'], ['pax'], ['posix'], ['oldgnu']])(
      'reads long names and links of --format=%s',
      (format) => {
        expect(
          parse(pack(`--format=${format}`), 777).map(({ name, kind, linkName, body }) => [
            name,
            kind,
            linkName,
            body,
          ]),
        ).toEqual([
          [deep, 'file', '', 'deep'],
          ['short', 'file', '', 'short'],
          [Buffer.from('umläut').toString(), 'file', '', 'u'],
          ['symbolic', 'symlink', deep, ''],
          ['zz-hard', 'link', deep, ''],
        ]);
      },
    );

    it.each([['ustar'], ['v7']])('reads --format=%s', (format) => {
      const tar = run('tar', ['-C', root, `--format=${format}`, '-cf', '-', 'short', 'umläut']);
      expect(parse(tar).map(({ name, body }) => [name, body])).toEqual([
        ['short', 'short'],
        ['umläut', 'u'],
      ]);
    });

    it('splits the long names of ustar at their prefix', () => {
      expect(parse(run('tar', ['-C', root, '--format=ustar', '-cf', '-', deep]))[0]?.name).toBe(deep);
    });

    it('refuses sparse files, which it would read wrongly', () => {
      const holes = join(root, 'holes');
      writeFileSync(holes, 'x');
      truncateSync(holes, 10_000_000);
      for (const format of ['gnu', 'pax']) {
        const tar = run('tar', ['-C', root, `--format=${format}`, '--sparse', '-cf', '-', 'holes']);
        expect(() => parse(tar)).toThrow(/sparse/);
      }
    });
  });

  it('reads sizes in base 256', () => {
    const size = Buffer.alloc(12);
    size.writeUInt8(0x80);
    size.writeUInt32BE(5, 8);
    const tar = Buffer.concat([
      header({ name: 'x', size }),
      Buffer.from('12345'.padEnd(512, '\0')),
      Buffer.alloc(1024),
    ]);
    expect(parse(tar)).toMatchObject([{ name: 'x', size: 5, body: '12345' }]);
  });

  it('reads a size of pax beyond what octal digits can say', () => {
    const parser = new TarParser('it');
    const record = '20 size=17179869184\n';
    const meta = header({ name: 'p', size: '00000000024\0', type: 'x' });
    const file = header({ name: 'big', size: '00000000000\0' });
    const events = [...parser.push(Buffer.concat([meta, Buffer.from(record.padEnd(512, '\0')), file]))];
    expect(events).toMatchObject([{ kind: 'entry', entry: { name: 'big', size: 17_179_869_184 } }]);
    expect(parser.skippable).toBe(17_179_869_184);
  });

  it.each([
    ['negative', Buffer.from('ff'.repeat(12), 'hex')],
    ['beyond all measure', Buffer.from('80ffffffffffffffffffffff', 'hex')],
    ['no number', Buffer.from('no number!! ')],
  ])('refuses a size that is %s', (_, size) => {
    expect(() => parse(header({ name: 'x', size }))).toThrow(
      expect.objectContaining({ code: 'archive_unreadable' }),
    );
  });

  it('refuses a file name of more than 1 MiB', () => {
    const tar = header({ name: '././@LongLink', size: '77777777777\0', type: 'L' });
    expect(() => parse(tar)).toThrow(expect.objectContaining({ code: 'archive_unreadable' }));
  });

  it.each(['99 path=x\n', 'path=x\n', '5 a=b', '0 a=b\n'])(
    'refuses the malformed pax record %j',
    (record) => {
      const size = `${record.length.toString(8).padStart(11, '0')}\0`;
      const tar = Buffer.concat([
        header({ name: 'p', size, type: 'x' }),
        Buffer.from(record.padEnd(512, '\0')),
      ]);
      expect(() => parse(tar)).toThrow(expect.objectContaining({ code: 'archive_unreadable' }));
    },
  );

  it('refuses a header in the middle whose checksum is wrong, and says where', async () => {
    const tar = await tarOf([
      { name: 'a', body: 'x' },
      { name: 'b', body: 'y' },
    ]);
    tar.write('z', 1024);
    expect(() => parse(tar)).toThrow('byte 1024');
  });

  it('never fails but with its own errors, whatever the bytes', async () => {
    const tar = await tarOf([
      { name: long, body: 'x' },
      { name: 'b', body: 'y'.repeat(700) },
    ]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { maxLength: 6 }), (changes) => {
        const damaged = Buffer.from(tar);
        for (const [at, byte] of changes) damaged[at] = byte;
        try {
          parse(damaged, 300);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^archive_/), hint: expect.any(String) });
        }
      }),
    );
  });
});

describe('a tar on disk', () => {
  it('is indexed by its headers alone', async () => {
    // Four files of 1 GiB, which are holes
    const path = fileWith(Buffer.alloc(0));
    const { openSync, writeSync, closeSync, ftruncateSync } = await import('node:fs');
    const fd = openSync(path, 'w');
    for (let i = 0; i < 4; i++)
      writeSync(fd, header({ name: `layer-${i}`, size: '10000000000\0' }), 0, 512, i * (512 + 2 ** 30));
    ftruncateSync(fd, 4 * (512 + 2 ** 30) + 1024);
    closeSync(fd);
    await withFile(path, async (file) => {
      const { index, complete } = await scanFile(file);
      expect([...index.names()]).toEqual(['layer-0', 'layer-1', 'layer-2', 'layer-3']);
      expect(complete).toBe(true);
      expect(file.bytesRead).toBeLessThan(10_000);
    });
  });

  it('of many small files is read in few pieces', async () => {
    const members = Array.from({ length: 3000 }, (_, i): TarMember => ({ name: `f${i}`, body: 'tiny' }));
    await withFile(fileWith(await tarOf(members)), async (file) => {
      expect([...(await scanFile(file)).index.names()]).toHaveLength(3000);
    });
  });

  it('of more files than any archive has is refused', async () => {
    const parser = new TarParser('it');
    const { TarIndex } = await import('../../src/archive/tar-index.ts');
    const index = new TarIndex('it');
    const [event] = [...parser.push(header({ name: 'x', size: '00000000000\0' }))];
    if (event?.kind !== 'entry') throw new Error('no entry');
    const { entry } = event;
    expect(() => {
      for (let i = 0; i <= 1_000_000; i++) index.add(entry);
    }).toThrow(expect.objectContaining({ code: 'archive_too_large' }));
  });

  it('that ends within a header is cut off', async () => {
    const tar = await tarOf([{ name: 'a', body: 'x' }]);
    expect((await failure(openFile(tar.subarray(0, 1024 + 100)))).code).toMatch(
      /^archive_(?:truncated|no_images)$/,
    );
  });
});
