import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { withContainerd } from '../support/containerd/with-containerd.ts';
import { describeContainerd } from '../support/require-containerd.ts';

const run = promisify(execFile);
const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));
const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));
const name = 'docker.io/imgctl/hello:1.0';
const greeting = 'Hello from an image that no registry has seen.\n';

describeContainerd('imgctl ctr', (generation) => {
  const here = withContainerd(generation);

  const ctr = (...args: string[]) => runCli(['ctr', '-a', here.daemon.socket, ...args]);
  const names = async (namespace: string) =>
    (await ctr('i', 'ls', '-q', '-n', namespace)).stdout.split('\n').filter((line) => line !== '');

  it('imports, lists, tags, exports, removes, and takes back what it exported', async () => {
    expect(await ctr('images', 'import', hello, '--output', 'json')).toMatchObject({ status: 0, stderr: '' });
    expect(await names('k8s.io')).toEqual([name]);
    expect(await ctr('image', 'tag', name, 'other.example/hello:2')).toMatchObject({ status: 0 });
    const archive = join(here.directory, 'exported.tar');
    const exported = await ctr('image', 'export', archive, 'imgctl/hello:1.0', 'other.example/hello:2');
    expect(exported).toMatchObject({ status: 0, stderr: '' });
    expect(await ctr('image', 'del', name, 'other.example/hello:2')).toMatchObject({ status: 0 });
    expect(await names('k8s.io')).toEqual([]);
    expect(await ctr('image', 'import', archive)).toMatchObject({ status: 0 });
    expect(await names('k8s.io')).toEqual([name, 'other.example/hello:2']);
    expect(await here.daemon.runContainer('k8s.io', name, ['/hello'])).toBe(greeting);
  });

  it("exports through a pipe what containerd's own tool takes", async () => {
    expect(await ctr('-n', 'piped', 'image', 'import', hello)).toMatchObject({ status: 0 });
    const archive = join(here.directory, 'piped.tar');
    await run(
      'sh',
      [
        '-c',
        '"$0" "$@" | cat > "$ARCHIVE"',
        process.execPath,
        bin,
        'ctr',
        '-a',
        here.daemon.socket,
        '-n',
        'piped',
        'i',
        'export',
        '-',
        name,
      ],
      {
        env: { ...process.env, ARCHIVE: archive },
      },
    );
    const taken = await here.daemon.ctr(['-n', 'taken', 'images', 'import', archive]);
    expect(taken.stderr).toBe('');
    expect(taken.status).toBe(0);
    expect(await names('taken')).toEqual([name]);
    expect(await here.daemon.runContainer('taken', name, ['/hello'])).toBe(greeting);
  });

  it('says that a name is not there, and which', async () => {
    const { status, stderr } = await ctr('image', 'rm', 'nowhere:1');
    expect(status).toBe(1);
    expect(stderr).toContain('Error [image_unknown]: this node has no image docker.io/library/nowhere:1');
  });
});
