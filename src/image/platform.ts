import { endianness } from 'node:os';
import { ImgctlError } from '../errors.ts';

/**
 * Platforms as the OCI image index has them, normalised and matched as containerd does:
 * `linux/arm64` is `linux/arm64/v8`, and a newer arm runs what was built for an older one.
 */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** Other names, as containerd has them; a variant that goes with the name wins over one that is written. */
const architectures: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386', ''],
  i486: ['386', ''],
  i586: ['386', ''],
  i686: ['386', ''],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  x64: ['amd64'],
  ia32: ['386'],
  ppc64el: ['ppc64le'],
};

/** An operating system alone leaves the architecture open: it is none, though the syntax allows it. */
const systems = new Set(['linux', 'windows', 'darwin', 'macos', 'freebsd']);

const component = /^[A-Za-z0-9_.-]{1,64}$/;

export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase();
  const name = platform.architecture.toLowerCase();
  const [architecture, implied] = architectures[name] ?? [name];
  let variant = (implied ?? platform.variant?.toLowerCase()) || undefined;
  if (architecture === 'arm64' && (variant === undefined || variant === '8')) variant = 'v8';
  if (architecture === 'arm')
    variant = variant === undefined ? 'v7' : /^\d$/.test(variant) ? `v${variant}` : variant;
  if (architecture === 'amd64' && variant === 'v1') variant = undefined;
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

/** Parses `os/architecture[/variant]`, or an architecture alone (of linux). @throws ImgctlError `platform_invalid` */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const isSystem = parts.length === 1 && systems.has(text.toLowerCase());
  if (isSystem || parts.length > 3 || !parts.every((part) => component.test(part))) {
    throw new ImgctlError('platform_invalid', `not a platform: ${JSON.stringify(text.slice(0, 80))}`, {
      hint: 'Write os/architecture[/variant], for example linux/amd64 or linux/arm/v7.',
    });
  }
  const [first = '', second, variant] = parts;
  if (second === undefined) return normalizePlatform({ os: 'linux', architecture: first });
  return normalizePlatform({ os: first, architecture: second, variant });
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalizePlatform(platform);
  // `linux/arm64`, as everybody writes it: v8 is the only one in use
  if (variant === undefined || (architecture === 'arm64' && variant === 'v8')) return `${os}/${architecture}`;
  return `${os}/${architecture}/${variant}`;
}

/** The platform of the machine this runs on. */
export function hostPlatform(): Platform {
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  return normalizePlatform({ os, architecture: goArchitecture() });
}

/** Where Node.js and Go name one architecture differently. */
function goArchitecture(): string {
  const { arch } = process;
  if (arch === 'mipsel') return 'mipsle';
  return arch === 'ppc64' && endianness() === 'LE' ? 'ppc64le' : arch;
}

/**
 * How well `host` runs an image built for `image`: 0 is exactly its own, larger is worse, undefined is not at all.
 */
export function platformDistance(host: Platform, image: Platform): number | undefined {
  const [h, i] = [normalizePlatform(host), normalizePlatform(image)];
  if (h.os !== i.os) return undefined;
  if (h.architecture === i.architecture) return variantDistance(h, i);
  // A 64-bit arm runs 32-bit programs, a 64-bit x86 too; both worse than any of its own
  if (h.architecture === 'arm64' && i.architecture === 'arm') {
    const distance = variantDistance({ ...h, architecture: 'arm' }, i);
    return distance === undefined ? undefined : 100 + distance;
  }
  if (h.architecture === 'amd64' && i.architecture === '386' && i.variant === undefined) return 100;
  return undefined;
}

function variantDistance(host: Platform, image: Platform): number | undefined {
  const [own, wanted] = [variantNumber(host), variantNumber(image)];
  if (own === undefined || wanted === undefined) return host.variant === image.variant ? 0 : undefined;
  return wanted > own ? undefined : own - wanted;
}

function variantNumber({ architecture, variant }: Platform): number | undefined {
  if (variant === undefined) return architecture === 'amd64' ? 1 : 0;
  const match = /^v(\d+)$/.exec(variant);
  return match === null ? undefined : Number(match[1]);
}
