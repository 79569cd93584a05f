import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));

describe('a reader that takes its time', () => {
  it('gets the whole result', { timeout: 30_000 }, async () => {
    const list = Array.from({ length: 1500 }, (_, i) => `127.3.${i >> 8}.${i & 255}:1`).join(',');
    const child = spawn(process.execPath, [bin, 'nodes', 'list', '--nodes', list, '-o', 'json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH, HOME: '/nonexistent', KUBECONFIG: '/dev/null' },
    });
    await sleep(5_000);
    expect(JSON.parse(await text(child.stdout)).nodes).toHaveLength(1500);
  });
});
