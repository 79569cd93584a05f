import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, frame } from '../../../../src/store/containerd/grpc/frames.ts';

describe('gRPC frames', () => {
  it('come whole out of a stream that is cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (messages, sizes) => {
          const stream = Buffer.concat(messages.flatMap((message) => frame([message])));
          const reader = new FrameReader();
          const read: number[][] = [];
          for (let at = 0, turn = 0; at < stream.byteLength; turn++) {
            const end = at + (sizes[turn % sizes.length] ?? 1);
            for (const message of reader.push(stream.subarray(at, end))) read.push([...message]);
            at = end;
          }
          expect(read).toEqual(messages.map((message) => [...message]));
        },
      ),
    );
  });

  it('are refused when they say that they are compressed', () => {
    expect(() => [...new FrameReader().push(Buffer.from([1, 0, 0, 0, 0]))]).toThrow('compressed');
  });
});
