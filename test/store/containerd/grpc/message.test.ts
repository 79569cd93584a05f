import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boolean,
  bytes,
  integer,
  nested,
  pieces,
  repeated,
  string,
  stringMap,
  strings,
} from '../../../../src/store/containerd/grpc/fields.ts';
import { message } from '../../../../src/store/containerd/grpc/message.ts';

const Inner = message({ name: string(1), size: integer(2) });
const Outer = message({
  text: string(1),
  size: integer(2),
  flag: boolean(3),
  data: bytes(4),
  inner: nested(5, Inner),
  list: repeated(6, Inner),
  words: strings(7),
  labels: stringMap(16),
});

const inner = fc.record({ name: fc.string(), size: fc.maxSafeNat() });
const outer = fc.record({
  text: fc.string({ unit: 'grapheme' }),
  size: fc.maxSafeNat(),
  flag: fc.boolean(),
  data: fc.uint8Array({ maxLength: 300 }),
  inner: fc.option(inner, { nil: undefined }),
  list: fc.array(inner),
  words: fc.array(fc.string()),
  labels: fc.dictionary(
    fc.string().filter((key) => key !== '__proto__'),
    fc.string(),
    { noNullPrototype: true },
  ),
});

describe('a protobuf message', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(outer, (value) => {
        const read = Outer.decode(Buffer.concat(Outer.encode(value)));
        expect({ ...read, data: [...read.data] }).toEqual({ ...value, data: [...value.data] });
      }),
    );
  });

  it('has the bytes that the specification gives as its examples', () => {
    const Test1 = message({ a: integer(1) });
    expect(Buffer.concat(Test1.encode({ a: 150 })).toString('hex')).toBe('089601');
    const Test2 = message({ b: string(2) });
    expect(Buffer.concat(Test2.encode({ b: 'testing' })).toString('hex')).toBe('120774657374696e67');
  });

  it('leaves out what is at its default, and reads the default of what was left out', () => {
    expect(Outer.encode({ text: '', size: 0, flag: false, list: [], labels: {} })).toEqual([]);
    expect(Outer.decode(Buffer.alloc(0))).toMatchObject({ text: '', size: 0, inner: undefined, words: [] });
  });

  it('skips fields that it does not know, of every wire type', () => {
    const unknown = '08960111000000000000000019ffffffffffffffff22027878250000000092030778797a61626364';
    expect(message({ z: string(50) }).decode(Buffer.from(unknown, 'hex'))).toEqual({ z: 'xyzabcd' });
  });

  it('writes a negative number as ten bytes of two’s complement', () => {
    const bytes = Buffer.concat(message({ a: integer(1) }).encode({ a: -2 }));
    expect(bytes.toString('hex')).toBe('08feffffffffffffffff01');
  });

  it('keeps large pieces as they are', () => {
    const Write = message({ offset: integer(5), data: pieces(6), after: string(7) });
    const [a, b] = [Buffer.alloc(1000, 'a'), Buffer.alloc(500, 'b')];
    const encoded = Write.encode({ offset: 7, data: [a, b], after: 'x' });
    expect(encoded[1]).toBe(a);
    expect(encoded[2]).toBe(b);
    const read = Write.decode(Buffer.concat(encoded));
    expect(Buffer.concat(read.data).equals(Buffer.concat([a, b]))).toBe(true);
    expect(read).toMatchObject({ offset: 7, after: 'x' });
  });

  it('is refused when it ends too early', () => {
    const whole = Buffer.concat(Outer.encode({ text: 'some text', size: 2 ** 40 }));
    for (const end of [1, 5, whole.byteLength - 1])
      expect(() => Outer.decode(whole.subarray(0, end))).toThrow(RangeError);
  });
});
