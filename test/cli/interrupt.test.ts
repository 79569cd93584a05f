import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../support/agent-process.ts';
import { startCli } from '../support/cli.ts';

const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));

describe('Ctrl-C', () => {
  it('while a pipe is read is status 130, in the form that was asked for', async () => {
    const command = startCli(['images', 'import', '--nodes', '127.0.0.1:1', '-o', 'json'], {
      input: new PassThrough(),
    });
    await sleep(1_500);
    command.kill('SIGINT');
    const { status, stdout } = await command.result;
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'interrupted' } });
    expect(status).toBe(130);
  });

  it('while a node does not answer is status 130, with that node told', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const command = startCli(['images', 'import', '--nodes', `w1=127.0.0.1:${port}`, '-o', 'json'], {
      inputFile: hello,
    });
    await once(silent, 'connection');
    command.kill('SIGTERM');
    const { status, stdout } = await command.result;
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      error: { code: 'interrupted', hint: expect.any(String) },
      nodes: [{ node: 'w1', status: 'failed', error: { code: 'interrupted' } }],
    });
    expect(status).toBe(130);
    silent.close();
  });

  it.each([
    ['images', 'import', hello],
    ['images', 'import', hello, '--dry-run'],
    ['nodes', 'list'],
  ])('while a connection is being made does not wait for it: %s %s', async (...command) => {
    // It takes connections and says nothing to the TLS handshake, as a host that drops packets would not even do
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const running = startCli([...command, '--nodes', `w1=https://127.0.0.1:${port}`]);
    await sleep(1_500);
    const begun = performance.now();
    running.kill('SIGINT');
    expect((await running.result).status).toBe(130);
    expect(performance.now() - begun).toBeLessThan(3_000);
    silent.close();
  });

  it('twice ends at once what would take its time to stop', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'imgctl-interrupt-test-'));
    const agent = await startAgent({ store: `oci:${join(dir, 'store')}`, dataDir: dir });
    // An upload that never ends: an agent that stops waits for it
    const upload = connect(agent.port, '127.0.0.1');
    upload.on('error', () => undefined);
    const token = readFileSync(agent.tokenFile, 'utf8').trim();
    upload.write(
      `POST /v1/images/import HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n` +
        'Content-Type: application/x-tar\r\nContent-Length: 409600\r\n\r\n',
    );
    upload.write(readFileSync(hello).subarray(0, 1024));
    await sleep(500);
    const first = agent.kill('SIGTERM');
    await sleep(1_500);
    expect(isAlive(agent.pid)).toBe(true);
    process.kill(agent.pid, 'SIGTERM');
    expect(await first).toMatchObject({ status: 130 });
    upload.destroy();
    await rm(dir, { recursive: true, force: true });
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
