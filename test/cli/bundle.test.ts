import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';

const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));
const name = 'docker.io/imgctl/hello:1.0';
const dir = mkdtempSync(join(tmpdir(), 'imgctl-bundle-test-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return path;
}

describe('imgctl bundle inspect', () => {
  it('shows images, platforms, sizes and what an import takes', async () => {
    const compressed = file('hello.tar.zst', zstdCompressSync(readFileSync(hello)));
    const { stdout, stderr, status } = await runCli(['bundle', 'inspect', compressed]);
    expect(stdout).toMatch(/hello\.tar\.zst: 1 image, \d+ blobs, .* \(zstd\)/);
    expect(stdout).toMatch(/^IMAGE +PLATFORM +DIGEST +LAYERS +SIZE$/m);
    expect(stdout).toMatch(/docker\.io\/imgctl\/hello:1\.0 +linux\/amd64 +sha256:[0-9a-f]{12} +2 /);
    expect(stdout).toMatch(/^ +linux\/arm64 +sha256:/m);
    expect(stdout).toMatch(/A node of linux\/arm64 that has nothing yet gets 1 image: .* to send/);
    expect(stdout).toMatch(/An import keeps .* in a temporary file meanwhile/);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('is one JSON document with whole digests, also of a pipe', async () => {
    const { stdout, status } = await runCli(['bundle', 'inspect', '--output', 'json'], {
      input: readFileSync(hello),
    });
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      file: 'standard input',
      images: [
        { name, platforms: [{ platform: 'linux/amd64', state: 'whole' }, { platform: 'linux/arm64' }] },
      ],
      needs: [{ platform: 'linux/amd64', images: 1 }, { platform: 'linux/arm64' }],
    });
    expect(status).toBe(0);
  });
});

describe('imgctl bundle verify', () => {
  it('ends with 0 when all is sound', async () => {
    const { stdout, status } = await runCli(['bundle', 'verify', hello, '--platform', 'linux/arm64']);
    expect(stdout).toMatch(/^ok +docker\.io\/imgctl\/hello:1\.0 +linux\/amd64, linux\/arm64$/m);
    expect(stdout).toContain('0 failed');
    expect(status).toBe(0);
  });

  it('ends with 4, and names the blob, when one byte of a layer is wrong', async () => {
    const bytes = readFileSync(hello);
    // In the middle of the greeting, which a layer holds
    const at = bytes.indexOf('Hello from an image');
    bytes.write('J', at);
    const { stdout, status } = await runCli(['bundle', 'verify', file('bad.tar', bytes), '--output', 'json']);
    expect(status).toBe(4);
    const { ok, checks } = JSON.parse(stdout);
    expect(ok).toBe(false);
    expect(checks).toContainEqual(
      expect.objectContaining({ status: 'fail', what: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) }),
    );
  });

  it('ends with 4 for a platform that is not there, and for half a file, and with 2 for none', async () => {
    const windows = await runCli(['bundle', 'verify', hello, '--platform', 'windows/amd64']);
    expect(windows.stdout).toContain('it has no windows/amd64: linux/amd64, linux/arm64');
    expect(windows.status).toBe(4);
    const bytes = readFileSync(hello);
    const half = await runCli(['bundle', 'verify', file('half.tar', bytes.subarray(0, bytes.length / 2))]);
    expect(half.stderr).toContain('[archive_truncated]');
    expect(half.status).toBe(4);
    expect((await runCli(['bundle', 'verify', join(dir, 'nowhere.tar')])).status).toBe(2);
  });
});
