import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import { signContent, signerOf, verifySignature } from '../../src/trust/minisign.ts';
import { newKeyPair, readPublicKey, readSecretKey } from '../../src/trust/minisign-key.ts';
import { hasTool, run } from '../archive/tools.ts';

const dir = mkdtempSync(join(tmpdir(), 'imgctl-minisign-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

const content = Buffer.from('{"schemaVersion":2}');

async function newKey(name: string) {
  const { id, publicText, secretText } = await newKeyPair();
  const [pub, key] = [file(`${name}.pub`, publicText), file(`${name}.key`, secretText)];
  return { id, pub, key, publicKey: await readPublicKey(pub), secretKey: await readSecretKey(key) };
}

const ours = await newKey('ours');
const theirs = await newKey('theirs');
const signature = Buffer.from(signContent(content, ours.secretKey, 'a comment'));

function refusal(content: Uint8Array, signature: Uint8Array | undefined, key = ours.publicKey): ImgctlError {
  try {
    verifySignature(content, signature, key, 'bundle.tar');
  } catch (thrown) {
    if (thrown instanceof ImgctlError) return thrown;
    throw thrown;
  }
  throw new Error('it was taken');
}

describe('a signature', () => {
  it('is taken by its own key, and is the same each time', () => {
    verifySignature(content, signature, ours.publicKey, 'bundle.tar');
    expect(signContent(content, ours.secretKey, 'a comment')).toBe(signature.toString());
    expect(signerOf(signature)).toBe(ours.id);
  });

  it('is refused for other content, by another key, where there is none, and where it is none', () => {
    expect(refusal(Buffer.from('{"schemaVersion":3}'), signature)).toMatchObject({
      code: 'signature_invalid',
      message: expect.stringContaining('it was changed since it was signed'),
    });
    expect(refusal(content, signature, theirs.publicKey).message).toBe(
      `bundle.tar is signed with the key ${ours.id}, not with ${theirs.id}`,
    );
    expect(refusal(content, undefined).message).toBe('bundle.tar is not signed');
    expect(refusal(content, Buffer.from('nonsense')).message).toContain('is damaged');
    expect(refusal(content, Buffer.alloc(1_000_000, 'a')).message).toContain('is damaged');
  });

  it('that claims another key than it is by is refused', () => {
    const lines = signContent(content, theirs.secretKey, 'x').split('\n');
    const head = Buffer.from(lines[1] ?? '', 'base64');
    Buffer.from(ours.id, 'hex').reverse().copy(head, 2);
    lines[1] = head.toString('base64');
    expect(refusal(content, Buffer.from(lines.join('\n'))).message).toContain('does not fit');
  });

  it('is refused when one bit of any of its lines is wrong, but for the first, which nobody trusts', () => {
    const text = signature.toString('latin1');
    const start = text.indexOf('\n') + 1;
    for (let at = start; at < text.length - 1; at += 1) {
      const bytes = Buffer.from(signature);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      // The last letter of base64 has bits that stand for nothing
      const lines = (text: string) =>
        text.split('\n').map((line) => Buffer.from(line, 'base64').toString('hex'));
      if (lines(bytes.toString('latin1')).join() === lines(text).join() && text[at] !== ' ') continue;
      expect(refusal(content, bytes).code, `byte ${at}`).toBe('signature_invalid');
    }
  });
});

describe('keys', () => {
  it('may be given as a file or as the line that is in it', async () => {
    const line = readFileSync(ours.pub, 'utf8').split('\n')[1] ?? '';
    verifySignature(content, signature, await readPublicKey(line), 'bundle.tar');
  });

  it('of the wrong kind, damaged or absent are refused, and none of a secret is told', async () => {
    const secret = readFileSync(ours.key, 'utf8').split('\n')[1] ?? '';
    await expect(readPublicKey(ours.key)).rejects.toMatchObject({ code: 'usage' });
    await expect(readSecretKey(ours.pub)).rejects.toMatchObject({ code: 'usage' });
    await expect(readPublicKey(join(dir, 'nowhere.pub'))).rejects.toThrow('it does not exist');
    const bytes = Buffer.from(secret, 'base64');
    bytes.writeUInt8(bytes.readUInt8(70) ^ 1, 70);
    const damaged = file('damaged.key', `untrusted comment: x\n${bytes.toString('base64')}\n`);
    const error = await readSecretKey(damaged).then(
      () => undefined,
      (thrown: ImgctlError) => thrown,
    );
    expect(error?.message).toContain('is damaged');
    expect(JSON.stringify([error?.message, error?.hint, error?.context])).not.toContain(
      secret.slice(80, 120),
    );
  });
});

describe.runIf(hasTool('minisign'))('minisign', () => {
  const minisign = (...args: string[]) => run('minisign', args).toString();

  it('takes our signature by our key', () => {
    const signed = file('index.json', content);
    file('index.json.minisig', signature);
    expect(minisign('-V', '-m', signed, '-p', ours.pub)).toContain('a comment');
  });

  it('signs with our key, and its signatures, also of the older form, are taken', async () => {
    const other = file('other.json', content);
    minisign('-S', '-m', other, '-s', ours.key);
    verifySignature(content, readFileSync(`${other}.minisig`), ours.publicKey, 'other');
    minisign('-S', '-l', '-m', other, '-s', ours.key);
    verifySignature(content, readFileSync(`${other}.minisig`), ours.publicKey, 'other');
  });

  it('makes keys that sign and verify here', async () => {
    const [pub, key] = [join(dir, 'mini.pub'), join(dir, 'mini.key')];
    minisign('-G', '-W', '-p', pub, '-s', key);
    const text = signContent(content, await readSecretKey(key), 'x');
    verifySignature(content, Buffer.from(text), await readPublicKey(pub), 'bundle.tar');
  });

  it('signs with a key of ours that has a password, and not with another password', async () => {
    const { pub, key } = await lockedKey();
    const other = file('under-password.json', content);
    run('minisign', ['-S', '-m', other, '-s', key], Buffer.from('pässword 1\n'));
    verifySignature(content, readFileSync(`${other}.minisig`), await readPublicKey(pub), 'other');
    expect(() => run('minisign', ['-S', '-m', other, '-s', key], Buffer.from('secret 2\n'))).toThrow();
  });
});

/** With limits that make trying a password quick. */
async function lockedKey() {
  const { publicText, secretText } = await newKeyPair('pässword 1', {
    opsLimit: 32_768n,
    memLimit: 16_777_216n,
  });
  return { pub: file('locked.pub', publicText), key: file('locked.key', secretText) };
}

/** What `minisign -G` wrote, with its own limits: a second's work. */
const minisignKey = `untrusted comment: minisign encrypted secret key
RWRTY0IyC+bul5eYZG90Uu2w8pJrMZ+26nosQA5PidCHXmVEYJcAAAACAAAAAAAAAEAAAAAArLjlgWI9frEwlIeRpHYiS0kFMvnctLGN5veueXKJcBluTKsgAOM8lsWNkARFjJMSeLIbOpNZVGMhdqPytPiMqIpihkuZpA/aRn5bjQOcfA6kCnOhFyDTKgEgtENw4WROHTfUL3hqjbg=
`;
const minisignPublicKey = 'RWR/ynrHyDCdLucb69v8dWxdUI2l4m5kVHjAndlc2RQAi/xrxQeWp3Km';

describe('a secret key with a password', () => {
  it('signs with its password alone', async () => {
    const { pub, key } = await lockedKey();
    const text = signContent(content, await readSecretKey(key, async () => 'pässword 1'), 'x');
    verifySignature(content, Buffer.from(text), await readPublicKey(pub), 'bundle.tar');
    await expect(readSecretKey(key, async () => 'password 2')).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('the password is wrong'),
    });
    await expect(readSecretKey(key)).rejects.toMatchObject({
      hint: expect.stringContaining('--sign-password-file'),
    });
  });

  it('may be one of minisign', async () => {
    const key = await readSecretKey(file('minisign.key', minisignKey), async () => 'carried over');
    const text = Buffer.from(signContent(content, key, 'x'));
    verifySignature(content, text, await readPublicKey(minisignPublicKey), 'bundle.tar');
  }, 30_000);

  it('is not tried where it asks for more time or memory than minisign ever does', async () => {
    const bytes = Buffer.alloc(158);
    bytes.write('EdScB2');
    bytes.writeBigUInt64LE(2n ** 40n, 46);
    const greedy = file('greedy.key', `untrusted comment: x\n${bytes.toString('base64')}\n`);
    await expect(readSecretKey(greedy, async () => 'x')).rejects.toThrow('more time or memory');
  });
});
