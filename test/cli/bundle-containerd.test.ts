import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Descriptor } from '../../src/image/descriptor.ts';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { withContainerd } from '../support/containerd/with-containerd.ts';
import { busyboxDockerArchive, busyboxOciArchive } from '../support/images.ts';
import { describeContainerd } from '../support/require-containerd.ts';
import { cosignSignature } from '../support/signatures.ts';

const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));
const names = [
  'docker.io/imgctl/hello:1.0',
  'docker.io/library/busybox-test:1',
  'registry.example.com/box:2',
];

describeContainerd('a bundle', (generation) => {
  const here = withContainerd(generation);

  /** An archive with a signature of the image of `hello`, and another that refers to it. */
  async function signatures(): Promise<string> {
    const index = JSON.parse(execFileSync('tar', ['-xOf', hello, 'index.json']).toString());
    const target: Descriptor = index.manifests[0];
    const tag = `${target.digest.replace(':', '-')}.sig`;
    const path = join(here.directory, 'signatures.tar');
    const members = ociLayout([
      { image: await randomImage(), name: 'unused:1' },
      { image: cosignSignature({ by: 'tag' }), annotations: { 'org.opencontainers.image.ref.name': tag } },
      { image: cosignSignature({ by: 'subject' }, target) },
    ]);
    await writeFile(path, await tarOf(members));
    return path;
  }

  it("is taken by containerd's own tool, and by imgctl, and a container of each image runs", async () => {
    const sources = [
      hello,
      await signatures(),
      await busyboxOciArchive(here.directory, { tag: 'docker.io/library/busybox-test:1' }),
      await busyboxDockerArchive(here.directory, { tag: 'registry.example.com/box:2' }),
    ];
    const manifests = join(here.directory, 'app.yaml');
    await writeFile(
      manifests,
      names.map((name) => `---\nkind: Pod\nspec: {containers: [{image: '${name}'}]}\n`).join(''),
    );
    const bundle = join(here.directory, 'bundle.tar.zst');
    const from = sources.flatMap((source) => ['--from-archive', source]);
    const made = await runCli(['bundle', 'create', '-f', manifests, ...from, '-o', bundle]);
    expect(made).toMatchObject({ status: 0, stderr: '' });

    // The tool of 1.6 and 1.7 takes none that is compressed
    const plain = join(here.directory, 'bundle.tar');
    expect((await runCli(['bundle', 'create', '-f', manifests, ...from, '-o', plain])).status).toBe(0);
    const { stdout } = await runCli(['bundle', 'inspect', plain, '-o', 'json']);
    expect(JSON.parse(stdout).attached).toHaveLength(2);
    const taken = await here.daemon.ctr(['-n', 'taken', 'images', 'import', plain]);
    expect(taken).toMatchObject({ status: 0, stderr: '' });
    const own = await runCli([
      'ctr',
      '-a',
      here.daemon.socket,
      '-n',
      'own',
      'image',
      'import',
      bundle,
      '-o',
      'json',
    ]);
    expect(JSON.parse(own.stdout)).toMatchObject({
      ok: true,
      archive: { images: names.map((name) => ({ name })) },
    });
    for (const namespace of ['taken', 'own']) {
      // A signature is no image, to nobody
      const listed = await here.daemon.ctr(['-n', namespace, 'images', 'ls', '-q']);
      expect(
        listed.stdout
          .trim()
          .split('\n')
          .filter((name) => !name.includes('@')),
      ).toEqual(names);
      const [greets, ...boxes] = names as [string, ...string[]];
      expect(await here.daemon.runContainer(namespace, greets, ['/hello'])).toContain('Hello from an image');
      for (const box of boxes)
        expect(await here.daemon.runContainer(namespace, box, ['/bin/busybox', 'echo', box])).toBe(
          `${box}\n`,
        );
    }
  });
});
