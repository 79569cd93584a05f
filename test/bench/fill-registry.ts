import { Readable } from 'node:stream';
import { configOf, manifestOf, sha256 } from './archive.ts';
import { type Layer, layerTar } from './layers.ts';

/** Puts images into a registry, each in a repository of its own. What several have is sent once, and mounted then. */
export async function fillRegistry(
  url: string,
  images: readonly { readonly repository: string; readonly layers: readonly Layer[] }[],
): Promise<void> {
  const firstIn = new Map<string, string>();
  for (const { repository, layers } of images) {
    const uploads = `${url}/v2/${repository}/blobs/uploads/`;
    for (const layer of layers) {
      const from = firstIn.get(layer.digest);
      if (from !== undefined) await ask('POST', `${uploads}?mount=${layer.digest}&from=${from}`);
      else await upload(uploads, layer.digest, Readable.from(layerTar(layer)));
      firstIn.set(layer.digest, from ?? repository);
    }
    const config = configOf(layers);
    await upload(uploads, `sha256:${sha256(config)}`, Readable.from([config]));
    const manifest = manifestOf(config, layers);
    const type = 'application/vnd.oci.image.manifest.v1+json';
    await ask('PUT', `${url}/v2/${repository}/manifests/1`, Readable.from([manifest]), type);
  }
}

async function upload(uploads: string, digest: string, body: Readable): Promise<void> {
  const location = (await ask('POST', uploads)).headers.get('location') ?? '';
  const to = new URL(location, uploads);
  to.searchParams.set('digest', digest);
  await ask('PUT', to.href, body);
}

async function ask(
  method: 'POST' | 'PUT',
  url: string,
  body?: Readable,
  type = 'application/octet-stream',
): Promise<Response> {
  const sent = body === undefined ? {} : { body: Readable.toWeb(body) as ReadableStream, duplex: 'half' };
  const headers = { 'content-type': type };
  const answer = await fetch(url, { method, headers, ...sent } as RequestInit);
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
  return answer;
}
