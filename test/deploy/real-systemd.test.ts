import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runUnderSystemd } from '../support/booted-systemd.ts';
import { generations } from '../support/containerd/daemon.ts';

const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));
const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));

/** Each step's output, and its status, between lines that name it. */
function scriptOf(containerd: string): string {
  const step = (name: string, command: string) => `echo "== ${name}"; ${command}; echo "status $?"`;
  const imgctl = `'${process.execPath}' '${bin}'`;
  return `exec 2>&1
export HOME=/root XDG_CONFIG_HOME=/srv/config
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
mkdir -p /var/lib/containerd && mount -t tmpfs tmpfs /var/lib/containerd
cat > /etc/systemd/system/containerd.service <<END
[Service]
Type=notify
Environment=PATH=${containerd}:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=${containerd}/containerd
Delegate=yes
END
systemctl daemon-reload && systemctl start containerd
${imgctl} init
${[
  step('install', `${imgctl} agent install --name node-1`),
  step('doctor', `${imgctl} doctor`),
  step('import', `${imgctl} images import --nodes 127.0.0.1 < '${hello}'`),
  step(
    'rights',
    'grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/$(systemctl show -P MainPID imgctl-agent)/status',
  ),
  step('again', `${imgctl} agent install --name node-1`),
  step('uninstall', `${imgctl} agent uninstall --purge`),
  step('gone', 'ls /etc/imgctl /var/lib/imgctl /etc/systemd/system/imgctl-agent.service'),
].join('\n')}
`;
}

const absence =
  process.getuid?.() !== 0 ? 'not root' : generations().length === 0 ? 'no containerd' : undefined;

describe.skipIf(absence !== undefined)('under a real systemd, with a real containerd', () => {
  let dir: string;
  let steps: Map<string, string> | undefined;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-systemd-test-'));
    const containerd = generations().at(-1)?.bin ?? '';
    const output = await runUnderSystemd(dir, scriptOf(containerd));
    if (output === undefined) process.stderr.write('SKIPPED LOUDLY: no systemd can be booted here\n');
    else
      steps = new Map(
        output
          .split('== ')
          .slice(1)
          .map((text) => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1)]),
      );
  }, 100_000);
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it.each([
    ['install', /node-1 is ready: imgctl .*containerd [\s\S]*status 0/],
    ['doctor', /ok +agent service +imgctl-agent\.service is active[\s\S]* 0 failed\nstatus 0/],
    ['import', /imported +1\/1[\s\S]*status 0/],
    ['rights', /CapEff:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n/],
    ['again', /runs already[\s\S]*status 0/],
    ['uninstall', /stopped and disabled imgctl-agent\.service[\s\S]*status 0/],
    ['gone', /^(?:ls: .*No such file or directory\n){3}status 2/],
  ])('the installed agent works within its limits, and goes again: %s', (name, said) => {
    if (steps !== undefined) expect(steps.get(name)).toMatch(said);
  });
});
