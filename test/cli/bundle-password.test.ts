import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newKeyPair } from '../../src/trust/minisign-key.ts';
import { hasTool } from '../archive/tools.ts';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';

const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));
const password = 'correct horse';

let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'imgctl-bundle-password-'));
  // Limits that make trying a password quick
  const { publicText, secretText } = await newKeyPair(password, { opsLimit: 32_768n, memLimit: 1n << 24n });
  put('release.pub', publicText);
  put('release.key', secretText);
  put('right', `${password}\n`);
  put('wrong', 'battery staple\n');
  put('source.tar', await tarOf(ociLayout([{ image: await randomImage(), name: 'app:1' }])));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function put(name: string, content: string | Uint8Array): void {
  writeFileSync(join(dir, name), content, { mode: 0o600 });
}

const create = (...args: string[]) => [
  ...['bundle', 'create', '--from-archive', 'source.tar', '--sign', 'release.key'],
  ...args,
];
const isSigned = async (file: string) =>
  (await runCli(['bundle', 'verify', file, '--verify-key', 'release.pub'], { cwd: dir })).status === 0;

/** Runs the program on a terminal of its own, where `answers` are typed as it asks. All that the terminal showed. */
async function atTerminal(args: readonly string[], answers: readonly string[]): Promise<string> {
  const command = [process.execPath, bin, ...args].join(' ');
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: dir });
  let shown = '';
  let typed = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    const asked = shown.match(/(?:Password of|New password|Once more)[^:]*: /g)?.length ?? 0;
    for (; typed < Math.min(asked, answers.length); typed += 1) child.stdin.write(answers[typed]);
  });
  await new Promise((resolve) => child.once('close', resolve));
  return shown;
}

describe('a secret key with a password', () => {
  it('signs with the password of a file, named by an option or the environment', async () => {
    const byOption = await runCli(create('--sign-password-file', 'right', '-o', 'a.tar'), { cwd: dir });
    expect(byOption).toMatchObject({ status: 0, stderr: '' });
    const env = { IMGCTL_SIGN_PASSWORD_FILE: 'right' };
    expect(await runCli(create('-o', 'b.tar'), { cwd: dir, env })).toMatchObject({ status: 0, stderr: '' });
    expect(await isSigned('a.tar')).toBe(true);
    expect(await isSigned('b.tar')).toBe(true);
  });

  it('is refused with a wrong one, without one, and with a file that is not there, and nothing is written', async () => {
    const refused = async (...args: string[]) => {
      const { stderr, stdout, status } = await runCli(create(...args, '-o', 'no.tar'), {
        cwd: dir,
        prefix: ['setsid', '--wait'],
      });
      expect(status).toBe(2);
      expect(stderr + stdout).not.toContain('staple');
      return stderr;
    };
    expect(await refused('--sign-password-file', 'wrong')).toContain('the password is wrong');
    expect(await refused()).toContain('there is no terminal to ask for it');
    expect(await refused('--sign-password-file', 'nowhere')).toContain('it does not exist');
    expect(readdirSync(dir)).not.toContain('no.tar');
  });

  it.runIf(hasTool('script'))('is asked for at a terminal, which does not show it', async () => {
    const shown = await atTerminal(create('-o', 'c.tar'), [`corect\x7f\x7f\x7frect horse\r`]);
    expect(shown).toContain('Password of release.key: ');
    expect(shown).toContain('Wrote 1 image');
    expect(shown).not.toContain('horse');
    expect(await isSigned('c.tar')).toBe(true);
  });

  it.runIf(hasTool('script'))('is left alone at Ctrl-C', async () => {
    const shown = await atTerminal(create('-o', 'd.tar'), ['corr\x03']);
    expect(shown).toContain('nterrupted');
    expect(shown).not.toContain('corr');
    expect(readdirSync(dir)).not.toContain('d.tar');
  });
});

describe('imgctl bundle keygen', () => {
  it('puts a password on the key that signs', async () => {
    const made = await runCli(['bundle', 'keygen', 'locked', '--password-file', 'right'], { cwd: dir });
    expect(made).toMatchObject({ status: 0, stderr: '' });
    const args = ['bundle', 'create', '--from-archive', 'source.tar', '--sign', 'locked.key', '-o', 'e.tar'];
    const signed = await runCli([...args, '--sign-password-file', 'right'], { cwd: dir });
    expect(signed.status).toBe(0);
  }, 30_000);

  it.runIf(hasTool('script'))('refuses one that is typed twice differently, or not at all', async () => {
    const shown = await atTerminal(['bundle', 'keygen', 'typed', '--password'], ['one\r', 'two\r']);
    expect(shown).toContain('the two passwords differ');
    expect(await atTerminal(['bundle', 'keygen', 'typed', '--password'], ['\r'])).toContain(
      'there is no password',
    );
    expect(readdirSync(dir).filter((name) => name.startsWith('typed'))).toEqual([]);
  });
});
