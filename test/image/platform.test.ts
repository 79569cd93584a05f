import { endianness } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
  platformDistance,
} from '../../src/image/platform.ts';

describe('a platform is normalised as containerd does:', () => {
  it.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/x86-64', 'linux/amd64'],
    ['Linux/AMD64', 'linux/amd64'],
    ['amd64', 'linux/amd64'],
    ['x86_64', 'linux/amd64'],
    ['arm64', 'linux/arm64'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm64/v9', 'linux/arm64/v9'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/7', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/arm/v5', 'linux/arm/v5'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armhf/v6', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/i386', 'linux/386'],
    ['linux/i386/v2', 'linux/386'],
    ['linux/ppc64le', 'linux/ppc64le'],
    ['linux/s390x', 'linux/s390x'],
    ['linux/riscv64', 'linux/riscv64'],
    ['macos/arm64', 'darwin/arm64'],
    ['windows/amd64', 'windows/amd64'],
  ])('%s is %s', (text, platform) => {
    expect(formatPlatform(parsePlatform(text))).toBe(platform);
  });

  it('arm64 carries its variant, so that both ways of writing it are one', () => {
    expect(parsePlatform('linux/arm64')).toEqual({ os: 'linux', architecture: 'arm64', variant: 'v8' });
  });
});

it.each([
  [''],
  ['linux'],
  ['windows'],
  ['linux/'],
  ['/amd64'],
  ['linux/amd64/'],
  ['a/b/c/d'],
  ['linux/amd 64'],
  ['linux/ä'],
])('%j is no platform', (text) => {
  expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'platform_invalid' }));
});

it('is normalised once and for all, and read back as it is written', () => {
  const part = fc.constantFrom(
    'linux',
    'windows',
    'x86_64',
    'arm',
    'arm64',
    'armhf',
    'i386',
    's390x',
    'v8',
    '7',
    'V6',
  );
  const platform = fc.record({
    os: part,
    architecture: part,
    variant: fc.option(part, { nil: undefined }),
  });
  fc.assert(
    fc.property(platform, (value) => {
      const normal = normalizePlatform(value);
      expect(normalizePlatform(normal)).toEqual(normal);
      expect(parsePlatform(formatPlatform(normal))).toEqual(normal);
      expect(platformDistance(normal, value)).toBe(0);
    }),
  );
});

describe('a host runs', () => {
  it.each([
    ['linux/amd64', ['linux/amd64', 'linux/386']],
    ['linux/amd64/v3', ['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386']],
    ['linux/arm64', ['linux/arm64', 'linux/arm/v8', 'linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
    ['linux/arm/v7', ['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
    ['linux/arm/v6', ['linux/arm/v6', 'linux/arm/v5']],
    ['linux/386', ['linux/386']],
    ['linux/s390x', ['linux/s390x']],
    ['windows/amd64', ['windows/amd64', 'windows/386']],
  ])('on %s, best first: %j, and nothing else', (host, runs) => {
    const all = [
      ...['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3', 'linux/amd64/v4', 'linux/386', 'linux/s390x'],
      ...['linux/arm64', 'linux/arm64/v9', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7', 'linux/arm/v8'],
      ...['windows/amd64', 'windows/386', 'linux/ppc64le', 'linux/riscv64', 'linux/amd64/odd'],
    ];
    const ranked = all
      .map((text) => ({ text, distance: platformDistance(parsePlatform(host), parsePlatform(text)) }))
      .filter(({ distance }) => distance !== undefined)
      .sort((a, b) => (a.distance ?? 0) - (b.distance ?? 0))
      .map(({ text }) => text);
    expect(ranked).toEqual(runs);
  });
});

it('is of this machine as Go names it', () => {
  const { os, architecture } = hostPlatform();
  expect(os).toBe(process.platform === 'win32' ? 'windows' : process.platform);
  const names = { x64: 'amd64', arm64: 'arm64', ia32: '386', arm: 'arm', s390x: 's390x', riscv64: 'riscv64' };
  const ppc64 = endianness() === 'LE' ? 'ppc64le' : 'ppc64';
  expect(architecture).toBe({ ...names, ppc64 }[process.arch as keyof typeof names] ?? process.arch);
});
