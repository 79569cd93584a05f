import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { Descriptor } from '../../image/descriptor.ts';
import { type Digest, digestOf } from '../../image/digest.ts';
import { type ImageGraph, resolveGraph } from '../../image/graph.ts';
import { mediaTypes } from '../../image/media-types.ts';
import { hostPlatform } from '../../image/platform.ts';
import { type WrittenLayer, writeLayer } from './layer.ts';
import { programPath, type RootEntry, rootFiles } from './root-files.ts';

/** The agent's own image: the executable, the libraries that it needs, and nothing else. Made without any builder. */
export interface AgentImage extends AsyncDisposable {
  readonly graph: ImageGraph;
  read(digest: Digest): AsyncIterable<Uint8Array>;
}

export interface AgentImageOptions {
  /** Of this machine's architecture. */
  readonly executable: string;
  readonly version: string;
  readonly signal?: AbortSignal | undefined;
}

/** The name that the image has unless another is wanted: of no registry, so that nothing is ever pulled for it. */
export function agentImageName(version: string): string {
  return `imgctl.local/agent:${version}`;
}

/** @throws ImgctlError `deploy_failed` where the executable's libraries cannot be told */
export async function buildAgentImage(options: AgentImageOptions): Promise<AgentImage> {
  const entries = await rootFiles(options.executable, options.signal);
  const directory = await mkdtemp(join(tmpdir(), 'imgctl-agent-image-'));
  try {
    const layerFile = join(directory, 'layer.tar.gz');
    const layer = await writeLayer(entries, layerFile, options.signal);
    const documents = documentsOf(layer, entries, options.version);
    const graph = await resolveGraph(documents.target, { kind: 'all' }, async ({ digest }) =>
      documents.bytes.get(digest),
    );
    return {
      graph,
      read: (digest) => {
        const document = documents.bytes.get(digest);
        return document === undefined ? createReadStream(layerFile) : Readable.from([document]);
      },
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** OCI image specification 1.1: config.md, manifest.md. */
function documentsOf(layer: WrittenLayer, entries: readonly RootEntry[], version: string) {
  const bytes = new Map<Digest, Buffer>();
  const add = (mediaType: string, document: unknown): Descriptor => {
    const text = Buffer.from(JSON.stringify(document));
    const digest = digestOf(text);
    bytes.set(digest, text);
    return { mediaType, digest, size: text.byteLength };
  };
  const labels = {
    'org.opencontainers.image.title': 'imgctl agent',
    'org.opencontainers.image.description': "A node's image store behind imgctl's HTTP API",
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': 'Apache-2.0',
  };
  const config = add(mediaTypes.ociConfig, {
    created: '1970-01-01T00:00:00Z',
    ...hostPlatform(),
    config: {
      User: '0:0',
      Env: [
        `PATH=${dirname(programPath)}`,
        // There is no passwd to look it up in
        'HOME=/',
        // The image has no ld.so.cache: libraries of a machine that keeps them elsewhere are found all the same
        `LD_LIBRARY_PATH=${libraryDirectories(entries).join(':')}`,
      ],
      Entrypoint: [programPath],
      Cmd: ['agent', 'run'],
      WorkingDir: '/',
      StopSignal: 'SIGTERM',
      Labels: labels,
    },
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'imgctl agent image' }],
  });
  const target = add(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config,
    layers: [{ mediaType: mediaTypes.ociLayerGzip, digest: layer.digest, size: layer.size }],
    annotations: labels,
  });
  return { target, bytes };
}

function libraryDirectories(entries: readonly RootEntry[]): string[] {
  const libraries = entries.filter(({ kind, path }) => kind === 'file' && path !== programPath);
  return [...new Set(libraries.map(({ path }) => dirname(path)))];
}
