import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestImage } from '../../support/blobs.ts';

/** What a pull asks of a registry on loopback, plain HTTP: one image, by any tag, in one repository. */
export async function startRegistry(
  image: TestImage,
  repository: string,
): Promise<AsyncDisposable & { readonly host: string }> {
  const server = createServer(({ url = '', method }, response) => {
    const [, kind, wanted = ''] = new RegExp(`^/v2/${repository}/(manifests|blobs)/([^?]+)`).exec(url) ?? [];
    const digest = kind === 'manifests' && !wanted.includes(':') ? image.target.digest : wanted;
    const blob = image.blobs.find(({ descriptor }) => descriptor.digest === digest);
    if (url === '/v2/') response.end('{}');
    else if (blob === undefined)
      response
        .writeHead(404, { 'content-type': 'application/json' })
        .end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
    else {
      response.writeHead(200, {
        'content-type': kind === 'manifests' ? blob.descriptor.mediaType : 'application/octet-stream',
        'content-length': blob.bytes.byteLength,
        'docker-content-digest': blob.descriptor.digest,
      });
      response.end(method === 'HEAD' ? undefined : blob.bytes);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
