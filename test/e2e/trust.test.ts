import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ociArchive, smallArchive } from '../agent/archives.ts';
import { days, makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { imageOf } from '../support/blobs.ts';
import { type CliOptions, runCli } from '../support/cli.ts';

/** Each way of not being trusted, with the real command and real agents in processes of their own. */

const token = 'e2e-token-0123456789abcdef';

let dir: string;
let archive: string;
let tokenFile: string;
let authority: TestAuthority;
let stranger: TestAuthority;
/** One agent as it should be. */
let good: AgentProcess;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-trust-'));
  [archive, tokenFile] = [join(dir, 'app.tar'), join(dir, 'token')];
  await writeFile(archive, smallArchive());
  await writeFile(tokenFile, token, { mode: 0o600 });
  authority = await makeTestAuthority();
  stranger = await makeTestAuthority('a stranger');
  good = await agentWith('good', await authority.issue('good'));
}, 60_000);

afterAll(async () => {
  await good?.stop();
  await authority[Symbol.asyncDispose]();
  await stranger[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

interface Files {
  readonly certFile: string;
  readonly keyFile: string;
}

function agentWith(name: string, tls: Files | undefined, args = ['--token-file', tokenFile]) {
  return startAgent({
    store: `oci:${join(dir, `store-${name}-${randomBytes(4).toString('hex')}`)}`,
    name,
    args,
    ...(tls === undefined ? {} : { tls }),
  });
}

interface Trust {
  readonly ca?: string;
  readonly token?: string | undefined;
  readonly cert?: Files;
}

/** `images import` of a small archive, with this trust and no other. */
async function importing(nodes: string, trust: Trust = {}, cli: CliOptions = {}) {
  const { ca = authority.caFile, cert } = trust;
  const shown = 'token' in trust ? trust.token : tokenFile;
  const { status, stdout } = await runCli(
    [
      ...['images', 'import', archive, '--nodes', nodes, '--output', 'json', '--ca-file', ca],
      ...(shown === undefined ? [] : ['--token-file', shown]),
      ...(cert === undefined ? [] : ['--cert', cert.certFile, '--key', cert.keyFile]),
    ],
    // No configuration and no token of this machine
    { env: { HOME: dir, XDG_CONFIG_HOME: dir, XDG_STATE_HOME: dir }, ...cli },
  );
  const result = JSON.parse(stdout);
  return { status, errors: result.nodes?.map(({ error }: { error?: unknown }) => error ?? 'none'), result };
}

describe('a node that is not trusted', () => {
  it.each<[string, () => Promise<Files | undefined>, RegExp]>([
    [
      'of another authority',
      () => stranger.issue('wrong-ca'),
      /was not signed by the authority in .*ca\.crt/,
    ],
    ['expired', () => authority.issue('expired', { validity: days(-20, -10) }), /expired on/],
    ['not yet valid', () => authority.issue('early', { validity: days(2, 10) }), /is not valid before/],
    [
      'of another name',
      () => authority.issue('misnamed', { names: ['elsewhere.example'] }),
      /is for DNS:elsewhere\.example, neither for imgctl-agent nor for this host/,
    ],
    ['without any, where TLS is due', async () => undefined, /does not speak TLS/],
  ])(
    'because its certificate is %s: status 5, and 3 beside one that is trusted',
    async (_, issue, message) => {
      const agent = await agentWith('bad', await issue());
      try {
        // A host that was found over https because an authority is known
        const alone = await importing(`bad=https://${agent.address}`);
        const beside = await importing(`good=${good.address},bad=https://${agent.address}`);

        expect(alone).toMatchObject({
          status: 5,
          errors: [{ code: 'node_untrusted', message: expect.stringMatching(message) }],
        });
        expect(beside).toMatchObject({ status: 3, errors: ['none', { code: 'node_untrusted' }] });
        expect(agent.log()).not.toContain('import ended');
      } finally {
        await agent.stop();
      }
    },
  );

  it('because plain HTTP is spoken to it where TLS is due', async () => {
    expect(await importing(`http://${good.address}`)).toMatchObject({
      status: 5,
      errors: [{ code: 'node_untrusted', message: expect.stringContaining('speaks HTTPS') }],
    });
  });

  it('never gets the token: a stranger that records everything hears no secret', async () => {
    const heard: string[] = [];
    const { cert, key } = await stranger.issue('recorder');
    const recorder = createTlsServer({ cert, key }, (request, response) => {
      heard.push(JSON.stringify(request.headers));
      response.end('{}');
    });
    recorder.on('secureConnection', (socket) => socket.on('data', (bytes) => heard.push(String(bytes))));
    recorder.listen(0, '127.0.0.1');
    await once(recorder, 'listening');
    try {
      const address = `127.0.0.1:${(recorder.address() as AddressInfo).port}`;

      expect(await importing(`good=${good.address},stranger=${address}`)).toMatchObject({
        status: 3,
        errors: [
          'none',
          {
            code: 'node_untrusted',
            hint: expect.stringMatching(/by CN=a stranger, SHA-256 ([0-9A-F]{2}:){31}/),
          },
        ],
      });
      // What asks it whether it is MicroK8s shows nothing
      expect(heard.join('\n')).not.toMatch(new RegExp(`${token}|authorization|token`, 'i'));
    } finally {
      recorder.closeAllConnections();
      recorder.close();
    }
  });
});

describe('a command that is not trusted', () => {
  it('because it has no token', async () => {
    expect(await importing(good.address, { token: undefined })).toMatchObject({
      status: 5,
      errors: [
        {
          code: 'node_unauthorized',
          message: 'this agent wants a token, and the request has none',
          hint: expect.stringContaining('--token-file'),
        },
      ],
    });
  });

  it('because its token is wrong', async () => {
    const wrong = join(dir, 'wrong-token');
    await writeFile(wrong, 'another-token-of-another-cluster');

    expect(await importing(good.address, { token: wrong })).toMatchObject({
      status: 5,
      errors: [{ code: 'node_unauthorized', message: 'the token is not the one of this agent' }],
    });
  });

  it('because its token was replaced and has ended, while the agent ran', async () => {
    const rotated = join(dir, 'rotated');
    const old = join(dir, 'kept-by-somebody');
    await writeFile(rotated, token);
    await writeFile(old, token);
    const agent = await agentWith('rotated', await authority.issue('rotated'), ['--token-file', rotated]);
    try {
      expect((await importing(agent.address, { token: old })).status).toBe(0);
      const until = new Date(Date.now() + 8_000);
      await writeFile(`${rotated}.previous`, `${token}\n${until.toISOString()}\n`);
      await writeFile(rotated, 'the-new-token-of-the-cluster');

      await expect
        .poll(() => importing(agent.address, { token: rotated }).then(({ status }) => status), {
          timeout: 8_000,
        })
        .toBe(0);
      expect((await importing(agent.address, { token: old })).status).toBe(Date.now() < +until ? 0 : 5);
      await delay(Math.max(0, +until - Date.now()) + 200);

      expect(await importing(agent.address, { token: old })).toMatchObject({
        status: 5,
        errors: [
          {
            code: 'node_unauthorized',
            message: expect.stringContaining('the token was replaced, and ended on'),
            hint: expect.stringContaining('imgctl token rotate'),
          },
        ],
      });
      expect(agent.log()).not.toContain(token);
    } finally {
      await agent.stop();
    }
  }, 60_000);
});

describe('an agent that wants client certificates', () => {
  let agent: AgentProcess;
  beforeAll(async () => {
    const args = ['--client-ca', authority.caFile, '--probe-listen', '127.0.0.1:0'];
    agent = await agentWith('mutual', await authority.issue('mutual'), args);
  }, 30_000);
  afterAll(() => agent?.stop());

  it.each<[string, () => Promise<Files | undefined>, number, RegExp | undefined]>([
    ['no certificate', async () => undefined, 5, /wants a client certificate, and none was given/],
    ["a stranger's", () => stranger.issue('command'), 5, /does not trust the certificate that was shown/],
    ['the right one', () => authority.issue('command', { names: [], usages: ['client'] }), 0, undefined],
  ])('gives a command with %s its due', async (_, issue, status, message) => {
    const cert = await issue();
    const outcome = await importing(agent.address, {
      token: undefined,
      ...(cert === undefined ? {} : { cert }),
    });

    expect(outcome).toMatchObject({
      status,
      errors: [
        message === undefined
          ? 'none'
          : { code: 'node_unauthorized', message: expect.stringMatching(message) },
      ],
    });
  });

  it('says in its log whose certificate an import came with', async () => {
    await expect.poll(() => agent.log()).toMatch(/"who":"127\.0\.0\.1 CN=command imgctl".*"import ended"/);
  });

  it('is probed with nothing on the address for that, which serves nothing else', async () => {
    const probeAddress = /"probeAddress":"([^"]+)"/.exec(agent.log())?.[1];
    const status = (path: string) => fetch(`http://${probeAddress}${path}`).then((answer) => answer.status);

    expect(await status('/healthz')).toBe(200);
    expect(await status('/readyz')).toBe(200);
    expect(await status('/v1/node')).toBe(404);
  });
});

describe('a certificate that is renewed while an upload is under way', () => {
  it('is shown to new connections, and the upload ends as if nothing had been', async () => {
    const big = join(dir, 'big.tar');
    await writeFile(big, ociArchive(imageOf([randomBytes(64 * 1024 * 1024)]), 'big:1'));
    const agent = await agentWith('renewed', await authority.issue('renewed'));
    const shown = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port: agent.port, rejectUnauthorized: false }, () => {
          resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
          socket.destroy();
        }).on('error', reject);
      });
    try {
      const before = await shown();
      const bytes = await readFile(big);
      const half = bytes.subarray(0, bytes.byteLength / 2);
      // curl reads its body from a pipe, so that the upload takes as long as the test wants
      const curl = spawn('curl', [
        ...['-sS', '--noproxy', '*', '--cacert', authority.caFile],
        ...['--resolve', `imgctl-agent:${agent.port}:127.0.0.1`, '-H', `Authorization: Bearer ${token}`],
        ...['-T', '-', `https://imgctl-agent:${agent.port}/v1/images/import`],
      ]);
      let answer = '';
      curl.stdout.setEncoding('utf8').on('data', (text: string) => {
        answer += text;
      });
      curl.stderr.setEncoding('utf8').on('data', (text: string) => {
        answer += text;
      });
      curl.stdin.write(half);

      await authority.issue('renewed');
      await expect.poll(shown, { timeout: 10_000 }).not.toBe(before);
      curl.stdin.end(bytes.subarray(half.byteLength));
      await once(curl, 'close');

      expect(answer.trim().split('\n').at(-1)).toMatch(/"type":"done".*"state":"ready"/);
      expect(agent.log()).toContain('certificate read again');
      expect((await importing(agent.address)).status).toBe(0);
    } finally {
      await agent.stop();
    }
  }, 60_000);
});
