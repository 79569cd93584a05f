import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Digest, digestHex } from '../../../src/image/digest.ts';
import type { IssuedFiles } from '../agent-certificates.ts';
import { freePort } from '../agent-process.ts';
import { type NamedImage, ociLayout, tarOf } from '../archives.ts';

const run = promisify(execFile);
const home = process.env.IMGCTL_CONTAINERD_HOME || '/var/cache/imgctl-test/containerd';
const program = join(home, 'registry/usr/bin/docker-registry');

/** Whether install.sh has been here; in CI it has to have been. */
export const hasRegistry = existsSync(program) || process.env.IMGCTL_REQUIRE_CONTAINERD === '1';

/** Who a registry knows, where it asks. */
export const user = { username: 'puller', password: 's3cret-pass' };
/** Whom another one knows. */
export const otherUser = { username: 'reader', password: 'm1rror-pass' };
/** bcrypt's of the passwords. */
const htpasswd = {
  puller: '$2y$05$abcdefghijklmnopqrstuuV7fpPozvyqJfnY19y0802WTlXUm6Rjy',
  reader: '$2y$05$abcdefghijklmnopqrstuubAetZ1hw9azMyhSsh4cHwSYCCPnX0si',
};

export interface RegistryOptions {
  /** Whether it wants a password. */
  readonly login?: boolean;
  /** Whose. */
  readonly as?: typeof user;
  readonly tls?: Pick<IssuedFiles, 'certFile' | 'keyFile'>;
  /** The authority whose certificates it wants from who speaks to it. */
  readonly clientCa?: string;
}

/** Debian's docker-registry, on loopback, with a store of its own. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly url: string;
  /** Puts an image there by skopeo: `app:1`. With an index, all of its platforms. */
  push(image: NamedImage['image'], name: string): Promise<void>;
  pushArchive(archive: string, name: string): Promise<void>;
  /** `GET /v2/app/blobs/sha256:… 200`, one a request. */
  requests(): string[];
  /** The bytes of a blob are gone from its disk. */
  lose(digest: Digest): Promise<void>;
  /** Of all bodies that it sent, in bytes. */
  bytesSent(): number;
}

export async function startRegistry({
  login = false,
  as = user,
  tls,
  clientCa,
}: RegistryOptions = {}): Promise<DockerRegistry> {
  const dir = await mkdtemp(join(tmpdir(), 'imgctl-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  await writeFile(
    join(dir, 'htpasswd'),
    `${as.username}:${htpasswd[as.username as keyof typeof htpasswd]}\n`,
  );
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(dir, 'data') } },
    http: {
      addr: host,
      ...(tls === undefined
        ? {}
        : {
            tls: {
              certificate: tls.certFile,
              key: tls.keyFile,
              ...(clientCa === undefined ? {} : { clientcas: [clientCa] }),
            },
          }),
    },
    ...(login ? { auth: { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } } } : {}),
  };
  const file = join(dir, 'config.yml');
  await writeFile(file, JSON.stringify(config));
  const child = spawn(program, ['serve', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    await rm(dir, { recursive: true, force: true });
  };
  for (const until = Date.now() + 20_000; !log.includes('listening on'); await sleep(20)) {
    if (child.exitCode === null && Date.now() < until) continue;
    await stop();
    throw new Error(`the registry did not start:\n${log}`);
  }
  const pushArchive = async (archive: string, name: string) => {
    const credentials = login ? ['--dest-creds', `${as.username}:${as.password}`] : [];
    await run('skopeo', [
      ...[
        '--insecure-policy',
        'copy',
        '--all',
        '--preserve-digests',
        '--dest-tls-verify=false',
        ...credentials,
      ],
      ...[`oci-archive:${archive}`, `docker://${host}/${name}`],
    ]);
  };
  return {
    host,
    url: `${tls === undefined ? 'http' : 'https'}://${host}`,
    async push(image, name) {
      const archive = join(dir, `push-${(await readdir(dir)).length}.tar`);
      await writeFile(archive, await tarOf(ociLayout([{ image }])));
      await pushArchive(archive, name);
    },
    pushArchive,
    async lose(digest) {
      const hex = digestHex(digest);
      await rm(join(dir, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'));
    },
    requests: () =>
      [...log.matchAll(/"(GET|HEAD|POST) (\S+) HTTP\/[\d.]+" (\d+)/g)]
        .filter(([, , path]) => path !== '/v2/')
        .map(([, method, path, status]) => `${method} ${path} ${status}`),
    bytesSent: () => [...log.matchAll(/" \d{3} (\d+) "/g)].reduce((sum, [, bytes]) => sum + Number(bytes), 0),
    [Symbol.asyncDispose]: stop,
  };
}
