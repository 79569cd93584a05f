import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';

/** `imgctl init` and `imgctl token rotate`, the real program. */

let home: string;
let dir: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'imgctl-test-home-'));
  dir = join(home, '.config', 'imgctl');
});
afterEach(() => rm(home, { recursive: true, force: true }));

const imgctl = (...args: string[]) => runCli(args, { env: { HOME: home }, cwd: home });
const read = (name: string) => readFile(join(dir, name), 'utf8');

describe('imgctl init', () => {
  it('makes a set in the configuration directory, and says what to do next', async () => {
    const { status, stdout, stderr } = await imgctl('init');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Made in ${dir}:\n  ca.crt: imgctl CA `);
    expect(stdout).toMatch(/ {2}agent\.crt: for imgctl-agent, until \d{4}-\d\d-\d\d\n {2}token\n/);
    expect(stdout).toMatch(/imgctl agent deploy --ssh/);
    expect(stdout).toMatch(/imgctl agent manifest \| kubectl apply -f -/);
    expect((await readdir(dir)).sort()).toEqual(['agent.crt', 'agent.key', 'ca.crt', 'ca.key', 'token']);
  });

  it('never shows a secret', async () => {
    const { stdout } = await imgctl('init', '--client', 'me');
    expect(stdout).not.toContain((await read('token')).trim());
    expect(stdout).not.toContain('PRIVATE KEY');
  });

  it('makes another set elsewhere, and says how commands are told of it', async () => {
    const { status, stdout } = await imgctl('init', '--dir', 'staging', '--host', 'worker-1,10.0.4.17');
    const staging = join(home, 'staging');
    expect(status).toBe(0);
    expect(stdout).toContain('agent-worker-1.crt: for worker-1, 10.0.4.17');
    expect(stdout).toContain(`--ca-file ${join(staging, 'ca.crt')}`);
    expect(stdout).toContain(`imgctl agent deploy --dir ${staging} --ssh`);
    // Pods of a DaemonSet have one certificate
    expect(stdout).not.toContain('manifest');
    expect(await readdir(staging)).toContain('agent-worker-1.key');
  });

  it('refuses to make a second one in the same place', async () => {
    await imgctl('init');
    const before = await read('ca.crt');
    const { status, stdout, stderr } = await imgctl('init');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/holds agent\.crt, .* already: nothing was changed/);
    expect(stderr).toMatch(/--renew .*--dir DIR/);
    expect(await read('ca.crt')).toBe(before);
  });

  it('renews what is there', async () => {
    await imgctl('init');
    const before = await Promise.all(['ca.crt', 'token', 'agent.crt'].map(read));
    const { status, stdout } = await imgctl('init', '--renew');
    const after = await Promise.all(['ca.crt', 'token', 'agent.crt'].map(read));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Renewed in /);
    expect(after.map((text, i) => text === before[i])).toEqual([true, true, false]);
  });

  it('renews nothing where nothing is', async () => {
    const { status, stderr } = await imgctl('init', '--renew');
    expect(status).toBe(2);
    expect(stderr).toMatch(/certificate_invalid.*nothing can be renewed.*ca\.(crt|key)/);
    expect(stderr).toMatch(/Hint: Run this where/);
  });

  it('answers with one JSON document where that is asked for', async () => {
    const { stdout } = await imgctl('init', '--output', 'json');
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, messages: expect.arrayContaining(['  token']) });
  });

  it.each([
    ['--host', 'a b', 'not a host'],
    ['--host', '', 'not a host'],
    ['--client', '', 'not a name for a client'],
    ['--client', 'ci\nCN=imgctl-agent', 'not a name for a client'],
    ['--client', 'x'.repeat(65), 'not a name for a client'],
  ])('refuses %s %j', async (option, value, message) => {
    const { status, stderr } = await imgctl('init', option, value);
    expect(status).toBe(2);
    expect(stderr).toContain(`${option}: ${message}`);
  });
});

describe('imgctl token rotate', () => {
  it('makes a new token, keeps the old one for a day, and says what to do next', async () => {
    await imgctl('init');
    const old = await read('token');
    const { status, stdout, stderr } = await imgctl('token', 'rotate');
    expect([status, stderr]).toEqual([0, '']);
    const [kept, end = ''] = (await read('token.previous')).split('\n');
    expect([`${kept}\n`, await read('token')]).toEqual([old, expect.not.stringContaining(old)]);
    expect(Math.abs(Date.parse(end) - Date.now() - 86_400_000)).toBeLessThan(60_000);
    expect(stdout).toContain(end);
    expect(stdout).toContain('imgctl agent deploy');
  });

  it('leaves a command able to speak to a node that has not heard of the new one', async () => {
    await imgctl('init');
    const nodeToken = join(home, 'node-token');
    await copyFile(join(dir, 'token'), nodeToken);
    const agent = await startAgent({
      store: `oci:${join(home, 'store')}`,
      tls: { certFile: join(dir, 'agent.crt'), keyFile: join(dir, 'agent.key') },
      args: ['--token-file', nodeToken],
    });
    try {
      await imgctl('token', 'rotate');
      expect(await imgctl('images', 'list', '--nodes', agent.address)).toMatchObject({ status: 0 });
      await imgctl('token', 'rotate', '--keep', '0');
      expect(await imgctl('images', 'list', '--nodes', agent.address)).toMatchObject({ status: 5 });
    } finally {
      await agent.stop();
    }
  });

  it('keeps it for as long as is said, and warns of one before it that was still good', async () => {
    await imgctl('init');
    await imgctl('token', 'rotate', '--keep', '7d');
    const { status, stdout, stderr } = await imgctl('token', 'rotate', '--keep', '0');
    expect(status).toBe(0);
    expect(stdout).toContain('counts no more as soon as nodes have it');
    expect(stderr).toMatch(/Warning: the token before the old one, which was good until \d{4}/);
  });

  it.each(['soon', '-1h', '5', '1w'])('refuses --keep %s', async (keep) => {
    const { status, stderr } = await imgctl('token', 'rotate', `--keep=${keep}`);
    expect(status).toBe(2);
    expect(stderr).toContain('--keep: not a duration');
  });

  it('says where a token comes from where there is none', async () => {
    const { status, stderr } = await imgctl('token', 'rotate');
    expect(status).toBe(2);
    expect(stderr).toMatch(/Hint: .*imgctl init/);
  });
});
