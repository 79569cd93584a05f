import { describe, expect, it } from 'vitest';
import { LinkGauge } from '../../src/transfer/link-gauge.ts';

const KiB = 1024;

/** Sends frames over a link and through a compressor of these rates (bytes a millisecond); what comes of it. */
function send({
  link,
  compressor,
  ratio,
  mebibytes,
}: Record<'link' | 'compressor' | 'ratio' | 'mebibytes', number>) {
  let now = 0;
  const gauge = new LinkGauge(() => now);
  using _sending = gauge.sending();
  const content = 256 * KiB;
  let stored = 0;
  const frames = mebibytes * 4;
  for (let i = 0; i < frames; i += 1) {
    const isStored = gauge.way === 'stored';
    if (isStored) stored += 1;
    const wire = isStored ? content : content * ratio;
    const compressingMs = isStored ? 0 : content / compressor;
    if (!isStored) gauge.compressed(content, compressingMs);
    // One works ahead of the other: the slower one is waited for
    now += Math.max(wire / link, compressingMs);
    gauge.taken(content, wire);
  }
  return { storedShare: stored / frames, way: gauge.way };
}

const MBps = (rate: number) => rate * 1000;

describe('whether to compress, found out while sending', () => {
  it('is certain over a slow link, where nothing is ever sent as it is', () => {
    const link = { link: MBps(12), compressor: MBps(200), ratio: 0.4, mebibytes: 500 };
    expect(send(link)).toEqual({ storedShare: 0, way: 'compressed' });
  });

  it('is tried over a faster link, and compressing is kept where it is faster', () => {
    const link = { link: MBps(110), compressor: MBps(250), ratio: 0.4, mebibytes: 8000 };
    const { way, storedShare } = send(link);
    expect(way).toBe('compressed');
    expect(storedShare).toBeLessThan(0.05);
  });

  it('is given up where the link is faster than the compressor', () => {
    const link = { link: MBps(1200), compressor: MBps(250), ratio: 0.4, mebibytes: 30_000 };
    const { way, storedShare } = send(link);
    expect(way).toBe('stored');
    expect(storedShare).toBeGreaterThan(0.95);
  });

  it('is looked at again after a while: a link that got slow is noticed', () => {
    let now = 0;
    const gauge = new LinkGauge(() => now);
    using _sending = gauge.sending();
    const frames = (count: number, link: number) => {
      for (let i = 0; i < count; i += 1) {
        const isStored = gauge.way === 'stored';
        if (!isStored) gauge.compressed(256 * KiB, 1);
        now += Math.max((isStored ? 256 * KiB : 100 * KiB) / link, isStored ? 0 : 1);
        gauge.taken(256 * KiB, isStored ? 256 * KiB : 100 * KiB);
      }
    };
    frames(4000, MBps(1200));
    expect(gauge.way).toBe('stored');
    frames(2000, MBps(10));
    expect(gauge.way).toBe('compressed');
  });
});
