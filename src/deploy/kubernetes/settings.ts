import { dirname, isAbsolute, normalize } from 'node:path/posix';
import { ImgctlError, printable } from '../../errors.ts';

/** On the node and in the container: as `agent install` has them. */
export const configDirectory = '/etc/imgctl';
export const dataDirectory = '/var/lib/imgctl';
/** In the Secret, beside the credentials: it may hold some. */
export const registriesFile = 'registries.yaml';

/** What the objects are made of, checked. */
export interface ManifestSettings {
  readonly image: string;
  /** `Never` for the image that is put onto nodes by hand: nothing could be pulled. */
  readonly imagePullPolicy: 'Never' | 'IfNotPresent';
  readonly namespace: string;
  /** containerd's socket, on every node. */
  readonly socket: string;
  readonly port: number;
  /** Where agents listen, as `agent run --listen` takes it; `$(HOST_IP)` is the node's address. */
  readonly listen: string;
  /** Clients show a certificate; the kubelet, which has none, asks on an address of its own. */
  readonly mutualTls: boolean;
  readonly probePort: number;
  /** As `agent run --max-rate` takes it. */
  readonly maxRate?: string | undefined;
  readonly imagesDir?: ImagesDirSettings | undefined;
  readonly registries?: PodRegistries | undefined;
  readonly version: string;
}

/** Options of `agent run` for a directory of the node, which the pod has under the same path. */
export interface ImagesDirSettings {
  /** Absolute. */
  readonly path: string;
  readonly concurrency?: number | undefined;
  readonly prune: boolean;
  /** The key itself, not a file: it is public, and the pod has no file of it. */
  readonly verifyKey?: string | undefined;
}

/** What agents know of registries: a `registries.yaml` in the Secret, or a directory of the node, under the same path. */
export type PodRegistries = { readonly text: string } | { readonly hostsDir: string };

/** A name as RFC 1123 has labels. @throws ImgctlError `usage` */
export function checkNamespace(name: string): string {
  if (/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return name;
  throw new ImgctlError('usage', `not a namespace of Kubernetes: ${JSON.stringify(name.slice(0, 100))}`, {
    hint: 'Small letters, digits and - in between, 63 at most.',
  });
}

interface Mounted {
  /** What it is to hold, for people. */
  readonly what: string;
  readonly example: string;
}

/**
 * A directory of the node that is mounted at the same path. The kubelet would read `$(` as a variable.
 * @throws ImgctlError `usage`
 */
export function checkMounted(path: string, socket: string, { what, example }: Mounted): string {
  const directory = normalize(path).replace(/\/+$/, '');
  const others = [configDirectory, dataDirectory, dirname(socket)];
  const overlaps = others.some((other) => `${other}/`.startsWith(`${directory}/`));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (isAbsolute(path) && !/[$:\u0000-\u001f]/.test(path) && !overlaps) return directory;
  throw new ImgctlError('usage', `not a directory that can be mounted for ${what}: ${printable(path)}`, {
    hint: `Name an absolute path on the nodes that holds ${what} and nothing else: ${example}.`,
  });
}

/** Its directory is mounted: never one that holds more than a runtime's. @throws ImgctlError `usage` */
export function checkSocket(path: string): string {
  const directory = dirname(normalize(path));
  const known = isAbsolute(path) && /^\/[\w./+-]+$/.test(path) && !path.endsWith('/');
  if (known && !['/', '/run', '/var', '/var/run', '/tmp'].includes(directory)) return normalize(path);
  throw new ImgctlError('usage', `not a socket whose directory can be mounted: ${path}`, {
    hint: "Name the absolute path of containerd's socket, in a directory of its own: /run/containerd/containerd.sock.",
  });
}
