import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';

const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));
const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));

/** Nothing listens on ports 1 to 3. */
const threeNodes = `# clusters of the shop
currentContext: edge
contexts:
  edge:
    # by the door
    nodes: [cp=127.0.0.1:1, w1=127.0.0.1:2, w2=127.0.0.1:3] # three of them
    defaults:
      retries: 0
`;

describe('the configuration file', () => {
  let home: string;
  let file: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'imgctl-config-test-'));
    file = join(home, '.config', 'imgctl', 'config.yaml');
    await mkdir(join(home, '.config', 'imgctl'), { recursive: true });
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  const imgctl = (args: string[], env: Record<string, string> = {}) =>
    runCli(args, { env: { HOME: home, ...env }, cwd: home });
  const nodesTried = async (args: string[], env?: Record<string, string>) => {
    const { stdout } = await imgctl(['images', 'list', ...args, '--output', 'json'], env);
    return JSON.parse(stdout).nodes.map(({ node }: { node: string }) => node);
  };

  it('names the nodes of its current context, with how they are spoken to and what an import does', async () => {
    const agent = await startAgent({ store: `oci:${join(home, 'store')}`, name: 'w1' });
    try {
      const context = `nodes: w1=${agent.address}\n    tokenFile: ${agent.tokenFile}`;
      await writeFile(
        file,
        `currentContext: a\ncontexts:\n  a:\n    ${context}\n    defaults: {output: json, retries: 0}\n`,
      );
      const imported = await imgctl(['images', 'import', hello]);
      expect(JSON.parse(imported.stdout)).toMatchObject({
        ok: true,
        nodes: [{ node: 'w1', status: 'imported' }],
      });
      expect(imported).toMatchObject({ status: 0, stderr: '' });
      const asText = await imgctl(['images', 'import', hello, '--output', 'text']);
      expect(asText.stdout).toContain('Unchanged: 1 image already on 1 node.');
    } finally {
      await agent.stop();
    }
  });

  it('is found in XDG_CONFIG_HOME, by IMGCTL_CONFIG, and by --config, a pipe too', async () => {
    const other = join(home, 'other.yaml');
    await writeFile(other, threeNodes);
    await mkdir(join(home, 'xdg', 'imgctl'), { recursive: true });
    await writeFile(join(home, 'xdg', 'imgctl', 'config.yaml'), threeNodes);
    const all = ['cp', 'w1', 'w2'];
    expect(await nodesTried([], { XDG_CONFIG_HOME: join(home, 'xdg') })).toEqual(all);
    expect(await nodesTried([], { IMGCTL_CONFIG: other })).toEqual(all);
    expect(await nodesTried(['--config', 'other.yaml'], { IMGCTL_CONFIG: '/gone' })).toEqual(all);
    const pipe = 'cat other.yaml | "$0" "$1" config view --config /dev/stdin';
    const { stdout } = spawnSync('bash', ['-c', pipe, process.execPath, bin], {
      cwd: home,
      encoding: 'utf8',
    });
    expect(stdout).toContain('Context: edge');
  });

  it('gives way to the environment, and that to options', async () => {
    await writeFile(file, threeNodes);
    expect(await nodesTried([], { IMGCTL_NODES: 'x=127.0.0.1:9' })).toEqual(['x']);
    expect(await nodesTried(['--nodes', 'y=127.0.0.1:9'], { IMGCTL_NODES: 'x=127.0.0.1:9' })).toEqual(['y']);
    expect(await nodesTried(['--config', '/dev/null', '--discover', 'local'])).toEqual(['127.0.0.1']);
  });

  it('lets --nodes name its nodes, and --exclude leave some out', async () => {
    await writeFile(file, threeNodes);
    expect(await nodesTried(['--nodes', 'w2,x=127.0.0.1:9'])).toEqual(['w2', 'x']);
    expect(await nodesTried(['--exclude', 'cp,127.0.0.1:3'])).toEqual(['w1']);
    const { status, stderr } = await imgctl([
      'images',
      'import',
      hello,
      '--exclude',
      'w3',
      '--exclude',
      'db',
    ]);
    expect(stderr).toContain('Error [node_unknown]: there are no nodes "w3", "db"');
    expect(stderr).toContain('There are: cp, w1, w2.');
    expect(status).toBe(4);
  });

  it('has its nodes narrowed by name where finding them is forced', async () => {
    expect(await nodesTried(['--discover', 'local', '--nodes', '127.0.0.1'])).toEqual(['127.0.0.1']);
    const { status, stderr } = await imgctl(['images', 'list', '--discover', 'local', '--nodes', 'w9']);
    expect(stderr).toContain('Error [node_unknown]: there is no node "w9"');
    expect(status).toBe(4);
  });

  it('says that it fell back to the agent of this machine, unless that was asked for', async () => {
    const note = 'using the agent of this machine, 127.0.0.1:25999';
    const at = ['--agent-port', '25999'];
    expect((await imgctl(['images', 'list', ...at])).stderr).toContain(note);
    expect((await imgctl(['images', 'list', ...at, '--discover', 'local'])).stderr).not.toContain(note);
  });

  it('does not pass over options that are for Kubernetes', async () => {
    await writeFile(file, threeNodes);
    const { status, stderr } = await imgctl(['images', 'list', '--selector', 'disk=ssd']);
    expect(stderr).toContain(`--selector is for Kubernetes, but the nodes come from ${file}:6`);
    expect(status).toBe(2);
  });

  it.each([
    [
      'a wrong value',
      threeNodes.replace('retries: 0', 'retries: many'),
      '8:16',
      'not a number from 0 to 100',
    ],
    ['an unknown option', threeNodes.replace('retries', 'retrys'), '8:7', 'Did you mean retries?'],
    ['an option of one run', threeNodes.replace('retries: 0', 'dryRun: true'), '8:7', 'no such option'],
    ['a wrong choice', threeNodes.replace('retries: 0', 'output: xml'), '8:15', 'text, json, ndjson'],
    ['a wrong platform', threeNodes.replace('retries: 0', 'platform: [1/2/3/4]'), '8:17', 'platform'],
    ['a node that is none', threeNodes.replace('cp=127', 'cp=ftp://127'), '6:12', 'ftp:// is not spoken'],
    ['a node twice', threeNodes.replace('w1=', 'cp='), '6:12', 'two nodes are named cp'],
    ['a tab', 'contexts:\n\ta: 1', '2:1', 'spaces'],
  ])('is refused with its line by any command: %s', async (_, text, place, told) => {
    await writeFile(file, text);
    const { status, stderr } = await imgctl(['images', 'list']);
    expect(stderr).toContain(`Error [config_invalid]: ${file}:${place}: `);
    expect(stderr).toContain(told);
    expect(status).toBe(2);
  });

  it.each([
    ['/gone.yaml', '--config: there is no file /gone.yaml'],
    ['/', 'is a directory'],
    ['/dev/zero', 'is not a file'],
    ['long.yaml', 'is longer than 1 MiB'],
    ['bytes.yaml', 'is not text (UTF-8)'],
  ])('is refused where it cannot be one: %s', async (path, told) => {
    await writeFile(join(home, 'long.yaml'), '#'.repeat(1024 * 1024 + 1));
    await writeFile(join(home, 'bytes.yaml'), Buffer.from([0xff, 0xfe]));
    const { status, stderr } = await imgctl(['images', 'list', '--config', path]);
    expect(stderr).toContain('Error [config_invalid]');
    expect(stderr).toContain(told);
    expect(status).toBe(2);
  });

  it('has another context chosen for one command by IMGCTL_CONTEXT', async () => {
    await writeFile(file, `${threeNodes}  lab:\n    nodes: lab-1=127.0.0.1:4\n`);
    expect(await nodesTried([], { IMGCTL_CONTEXT: 'lab' })).toEqual(['lab-1']);
    const { status, stderr } = await imgctl(['images', 'list'], { IMGCTL_CONTEXT: 'labs' });
    expect(stderr).toContain(`IMGCTL_CONTEXT: there is no context "labs" in ${file}`);
    expect(stderr).toContain('Did you mean lab? There are: edge, lab.');
    expect(status).toBe(2);
  });

  it.each([
    ['IMGCTL_NODES', 'ftp://a'],
    ['IMGCTL_AGENT_PORT', '99999'],
    ['IMGCTL_DISCOVER', 'etcd'],
    ['IMGCTL_DRIVER', 'docker'],
  ])('and a variable that is wrong is named: %s=%s', async (name, value) => {
    const { status, stderr } = await imgctl(['images', 'list'], { [name]: value });
    expect(stderr).toContain(`Error [usage]: ${name}: `);
    expect(status).toBe(2);
  });

  describe('imgctl config view', () => {
    it('shows each setting that counts, and where it comes from', async () => {
      await writeFile(file, threeNodes);
      const { status, stdout } = await imgctl(['config', 'view', '--agent-port', '25001'], {
        IMGCTL_TOKEN_FILE: '/etc/imgctl/token',
      });
      expect(status).toBe(0);
      expect(stdout).toContain(`File: ${file}\nContext: edge (currentContext), of edge\n`);
      const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
      expect(rows).toEqual(
        expect.arrayContaining([
          ['nodes', 'cp=127.0.0.1:1,w1=127.0.0.1:2,w2=127.0.0.1:3', `${file}:6`],
          ['agentPort', '25001', '--agent-port'],
          ['tokenFile', '/etc/imgctl/token', 'IMGCTL_TOKEN_FILE'],
          ['driver', 'auto', 'default'],
          ['defaults.retries', '0', `${file}:8`],
        ]),
      );
    });

    it('is one JSON document for programs', async () => {
      await writeFile(file, threeNodes);
      const { stdout } = await imgctl(['config', 'view', '--output', 'json'], { IMGCTL_NODES: 'x' });
      expect(JSON.parse(stdout)).toMatchObject({
        ok: true,
        file,
        exists: true,
        context: { name: 'edge', chosenBy: 'currentContext' },
        contexts: ['edge'],
        settings: expect.arrayContaining([
          { name: 'nodes', value: 'x', from: { kind: 'environment', name: 'IMGCTL_NODES' } },
          { name: 'defaults.retries', value: 0, from: { kind: 'file', path: file, line: 8 } },
        ]),
      });
    });

    it('says that there is no file', async () => {
      const { status, stdout } = await imgctl(['config', 'view']);
      expect(stdout).toContain(`File: ${file} (not there)\nContext: none\n`);
      expect(status).toBe(0);
    });
  });

  describe('imgctl config set', () => {
    it('makes the file, its directory and the context, for this user alone', async () => {
      await rm(join(home, '.config'), { recursive: true });
      const { status, stdout } = await imgctl(['config', 'set', 'nodes', 'cp=10.0.4.16, w1=[fd00::17]']);
      expect(stdout).toBe(`In context default, nodes is cp=10.0.4.16,w1=[fd00::17] (${file}).\n`);
      expect(status).toBe(0);
      expect(await readFile(file, 'utf8')).toBe(
        'currentContext: default\ncontexts:\n  default:\n    nodes: [cp=10.0.4.16, "w1=[fd00::17]"]\n',
      );
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect((await stat(join(home, '.config'))).mode & 0o077).toBe(0);
      expect(await readdir(join(home, '.config', 'imgctl'))).toEqual(['config.yaml']);
    });

    it('keeps comments and order', async () => {
      await writeFile(file, threeNodes);
      for (const [key = '', value = '', ...rest] of [
        ['defaults.retries', '7'],
        ['defaults.pin', 'true'],
        ['caFile', 'ca.crt'],
        ['nodes', 'cp=127.0.0.1:1'],
        ['discover', 'kubernetes', '--context', 'lab'],
      ])
        expect((await imgctl(['config', 'set', key, value, ...rest])).stderr).toBe('');
      expect(await readFile(file, 'utf8')).toBe(`# clusters of the shop
currentContext: edge
contexts:
  edge:
    # by the door
    nodes: [cp=127.0.0.1:1] # three of them
    defaults:
      retries: 7
      pin: true
    caFile: ${join(home, 'ca.crt')}
  lab:
    discover: kubernetes
`);
    });

    it.each([
      ['agentPort', '70000', 'agentPort: cannot be 70000'],
      ['nodez', 'a', 'Did you mean nodes?'],
      ['defaults.retries', 'x', 'not a number from 0 to 100'],
      ['defaults.pin', '1', 'Write true or false'],
      ['discover', 'local', 'nodes are named already'],
      ['currentContext', 'edge', 'imgctl config use NAME'],
    ])('writes nothing that would be refused later: %s %s', async (key, value, told) => {
      await writeFile(file, threeNodes);
      const { status, stderr } = await imgctl(['config', 'set', key, value]);
      expect(stderr).toContain('Error [usage]: ');
      expect(stderr).toContain(told);
      expect(status).toBe(2);
      expect(await readFile(file, 'utf8')).toBe(threeNodes);
    });

    it('writes through a symbolic link, and not to a device', async () => {
      const real = join(home, 'dotfiles.yaml');
      await writeFile(real, threeNodes);
      await symlink(real, file);
      await imgctl(['config', 'set', 'agentPort', '25001']);
      expect(await readFile(real, 'utf8')).toContain('agentPort: 25001');
      const { status, stderr } = await imgctl(['config', 'set', 'agentPort', '1', '--config', '/dev/null']);
      expect(stderr).toContain('cannot be written: it is not a file');
      expect(status).toBe(2);
    });

    it('loses nothing that an alias stands for', async () => {
      const text = 'contexts:\n  a: &a\n    agentPort: 1\n  b: *a\n';
      await writeFile(file, text);
      for (const args of [
        ['set', 'driver', 'imgctl'],
        ['unset', 'agentPort'],
      ]) {
        const { status, stderr } = await imgctl(['config', ...args, '--context', 'b']);
        expect(stderr).toContain('Error [usage]: contexts.b is an alias');
        expect(status).toBe(2);
      }
      expect(await readFile(file, 'utf8')).toBe(text);
    });

    it('does not touch a file that is wrong already', async () => {
      await writeFile(file, 'contexts: 1\n');
      const { stderr } = await imgctl(['config', 'set', 'agentPort', '25001']);
      expect(stderr).toContain(`Error [config_invalid]: ${file}:1:11: contexts: cannot be 1`);
      expect(await readFile(file, 'utf8')).toBe('contexts: 1\n');
    });
  });

  it('has a setting taken out by imgctl config unset', async () => {
    await writeFile(file, threeNodes);
    expect((await imgctl(['config', 'unset', 'defaults.retries'])).status).toBe(0);
    expect(await readFile(file, 'utf8')).not.toContain('retries');
    const { status, stderr } = await imgctl(['config', 'unset', 'agentPort']);
    expect(stderr).toContain('agentPort is not set in context edge');
    expect(status).toBe(2);
  });

  it('has its current context chosen by imgctl config use', async () => {
    await writeFile(file, 'contexts:\n  edge: {}\n  lab: {}\n');
    expect((await imgctl(['config', 'set', 'agentPort', '1'])).stderr).toContain('There are: edge, lab.');
    const { stdout } = await imgctl(['config', 'use', 'lab']);
    expect(stdout).toBe(`Commands speak to lab now (${file}).\n`);
    expect(await readFile(file, 'utf8')).toBe('currentContext: lab\ncontexts:\n  edge: {}\n  lab: {}\n');
    const { status, stderr } = await imgctl(['config', 'use', 'labb']);
    expect(stderr).toContain('Error [config_invalid]: there is no context "labb"');
    expect(status).toBe(2);
  });
});
