import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCredentials } from '../../src/microk8s/credentials.ts';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';

let snap: string;
let authority: TestAuthority;
let token: string;

beforeAll(async () => {
  snap = join(await mkdtemp(join(tmpdir(), 'imgctl-microk8s-')), 'current');
  authority = await makeTestAuthority('10.152.183.1');
  token = join(snap, 'credentials', 'callback-token.txt');
  await mkdir(join(snap, 'certs'), { recursive: true });
  await mkdir(join(snap, 'credentials'));
  const { cert } = await authority.issue('server');
  await writeFile(join(snap, 'certs', 'ca.crt'), authority.pair.cert);
  await writeFile(join(snap, 'certs', 'server.crt'), cert);
  await writeFile(token, 'SECRET\n');
});
afterAll(async () => {
  await authority[Symbol.asyncDispose]();
  await rm(join(snap, '..'), { recursive: true, force: true });
});

describe('credentials for MicroK8s', () => {
  it('are found on a MicroK8s node by themselves', async () => {
    const { token, certificates } = await findCredentials({}, { SNAP_DATA: snap });

    expect(token).toBe('SECRET');
    expect(certificates.map(({ ca }) => ca)).toEqual([true, false]);
  });

  it('are the ones of the files that were named, beside those that lie there', async () => {
    const other = join(snap, 'other');
    await writeFile(other, 'OTHER|1893456000\n');
    await using worker = await makeTestAuthority('worker');
    const { cert } = await worker.issue('server');
    const caFile = join(snap, 'several.pem');
    await writeFile(caFile, `subject: a\n${authority.pair.cert}\nsubject: b\n${cert}`);

    const found = await findCredentials({ tokenFile: other, caFile }, { SNAP_DATA: snap });

    expect(found.token).toBe('OTHER');
    expect(found.certificates).toHaveLength(4);
  });

  it('are none on another machine, and SNAP_DATA of another snap means nothing', async () => {
    const { token, certificates } = await findCredentials({}, { SNAP_DATA: join(snap, '..', '..', 'none') });

    expect([token, certificates]).toEqual([undefined, []]);
  });

  it('that were named and cannot be used are an error', async () => {
    const env = { SNAP_DATA: snap };
    const empty = join(snap, 'empty');
    await writeFile(empty, '\n');

    await expect(findCredentials({ tokenFile: join(snap, 'gone') }, env)).rejects.toMatchObject({
      code: 'token_missing',
    });
    await expect(findCredentials({ tokenFile: '/dev/zero' }, env)).rejects.toThrow('it is far too large');
    await expect(findCredentials({ tokenFile: empty }, env)).rejects.toMatchObject({ code: 'token_missing' });
    await expect(findCredentials({ caFile: token }, env)).rejects.toMatchObject({
      code: 'certificate_invalid',
    });
  });
});
