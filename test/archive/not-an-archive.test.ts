import { describe, expect, it } from 'vitest';
import { tarOf } from '../support/archives.ts';
import { failure, openFile } from './opened.ts';

const chart = await tarOf([
  { name: 'web/Chart.yaml', body: 'name: web' },
  { name: 'web/templates/pod.yaml', body: '' },
]);

describe('what is taken for an archive of images by mistake is told with what to do', () => {
  it.each<[what: string, bytes: string | Uint8Array, message: string, hint: string]>([
    ['manifests', 'apiVersion: v1\nkind: Pod\n', 'it is text', 'imgctl bundle create -f FILE'],
    ['a list of images', 'nginx:1.27\n', 'it is text', 'imgctl images pull -f FILE'],
    [
      'a Helm chart',
      chart,
      'without images',
      'helm template CHART | imgctl bundle create -f - -o bundle.tar.zst',
    ],
    ['a zip file', 'PK\x03\x04\0\0', 'it is a zip file', 'Unpack it first'],
    ['other bytes', 'ab\0cd', 'it is no tar archive', 'docker save'],
  ])('%s', async (_, bytes, message, hint) => {
    const error = await failure(openFile(Buffer.from(bytes)));
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });
});
