import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Argument, Command, Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { CommandContext } from '../src/cli/context.ts';
import { run } from '../src/cli/main.ts';
import { buildProgram } from '../src/cli/program.ts';
import { Captured } from './output/captured.ts';
import {
  documentProblems,
  scriptProblems,
  statusProblems,
  unmentioned,
  variableProblems,
} from './support/readme/check-document.ts';
import { commandLines } from './support/readme/command-lines.ts';

const root = new URL('../', import.meta.url);
const read = (name: string) => readFile(new URL(name, root), 'utf8');

const stdout = new Captured({ columns: 120, rows: 50 });
const io = {
  env: {},
  stdin: (async function* () {})(),
  stdout,
  stderr: new Captured(),
  signal: new AbortController().signal,
};

/** Options that README names by themselves and that are npm's. */
const ofNpm = ['--offline'];

describe('README', () => {
  it('explains every error code that there is, and no other', async () => {
    const union = /export type ErrorCode =([^;]+);/.exec(await read('src/errors.ts'))?.[1] ?? '';
    const codes = [...union.matchAll(/'([a-z_]+)'/g)].map(([, code]) => code);
    const [, troubleshooting = ''] = (await read('README.md')).split('## Troubleshooting');
    const rows = troubleshooting.split('\n').filter((line) => line.startsWith('| `'));
    const explained = rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([a-z_]+)`/g)].map(([, code]) => code),
    );
    expect(codes.length).toBeGreaterThan(40);
    expect(explained.toSorted()).toEqual(codes.toSorted());
  });

  it('shows no command and no option that the program does not have', async () => {
    const program = await buildProgram(new CommandContext(io, []));
    const readme = await read('README.md');
    expect(commandLines(readme).length).toBeGreaterThan(15);
    expect(documentProblems(readme, program, ofNpm)).toEqual([]);
  });

  it('shows every command of the program', async () => {
    const program = await buildProgram(new CommandContext(io, []));
    expect(unmentioned(await read('README.md'), program)).toEqual([]);
  });

  it('has the exit statuses of --help', async () => {
    expect(await run(['--help'], io)).toBe(0);
    expect(statusProblems(await read('README.md'), stdout.text)).toEqual([]);
  });

  it.each(['README.md', 'CONTRIBUTING.md'])('runs only scripts that there are: %s', async (name) => {
    const { scripts } = JSON.parse(await read('package.json'));
    const exists = (path: string) => existsSync(new URL(path, root));
    expect(scriptProblems(await read(name), scripts, exists)).toEqual([]);
  });

  it('names only variables that are read', async () => {
    const files = await Array.fromAsync(glob('{src,bin,test}/**/*.{ts,js}', { cwd: fileURLToPath(root) }));
    const sources = await Promise.all(files.map(read));
    expect(variableProblems(await read('README.md'), sources.join('\n'))).toEqual([]);
  });
});

/** A small one, to check the checker with. */
function smallProgram(): Command {
  const put = new Command('put')
    .argument('<file>')
    .option('--nodes <list>')
    .addOption(new Option('-o, --output <format>').choices(['text', 'json']))
    .option('--dry-run');
  const images = new Command('images').alias('image').addCommand(put).addCommand(new Command('list'));
  const completion = new Command('completion').addArgument(new Argument('<shell>').choices(['bash', 'zsh']));
  return new Command('imgctl').option('--config <file>').addCommand(images).addCommand(completion);
}

const block = (text: string) => `text\n\n\`\`\`sh\n${text}\n\`\`\`\n`;

describe('the check of README', () => {
  it.each([
    'imgctl images put a.tar --nodes a,b -o json --dry-run',
    '$ imgctl image put a.tar --output=json -ojson',
    'imgctl images put < a.tar FILE --nodes x    every node of it, --frob and so on',
    'imgctl images put FILE --output FORMAT # not --frob',
    'imgctl --config c.yaml images list | grep --frob x',
    'FOO=1 sudo -E imgctl images list; systemctl status imgctl',
    "ssh -p 22 root@node-1 'imgctl images list --help' && echo --frob",
    'kubectl imgctl images list',
    'kubectl -n imgctl get pods --frob',
    'kubectl -n imgctl logs daemonset/imgctl',
    'scp imgctl root@node-1:/usr/local/bin/imgctl',
    './imgctl-linux-x64 images list',
    '- run: imgctl images put bundle.tar',
    'imgctl images put \\\n    --nodes a \\\n    b.tar',
    'imgctl help images',
    'imgctl --version',
    'imgctl completion bash > /etc/bash_completion.d/imgctl',
    'curl -T a.tar -H "Authorization: Bearer $(cat /var/lib/imgctl/token)" http://x --frob',
  ])('takes what is in order: %s', (line) => {
    expect(documentProblems(block(line), smallProgram())).toEqual([]);
    expect(documentProblems(`text\n\n${line.replaceAll(/^/gm, '    ')}\n`, smallProgram())).toEqual([]);
  });

  it.each<[line: string, told: RegExp]>([
    ['imgctl frob', /line 4: imgctl frob: imgctl has no command frob/],
    ['imgctl images frob', /images has no command frob/],
    ['imgctl images list --frob', /list has no option --frob/],
    ['imgctl images list --nodes a', /list has no option --nodes/],
    ['imgctl images put a -x', /put has no option -x/],
    ['imgctl images put a --output xml', /--output does not take xml/],
    ['imgctl images put a --output=xml', /--output does not take xml/],
    ['imgctl images put a -oxml', /-o does not take xml/],
    ['imgctl images put a --nodes', /--nodes does not take nothing/],
    ['imgctl images put', /file is missing/],
    ['imgctl images put a b', /put takes no argument b/],
    ['imgctl completion csh', /completion does not take csh/],
    ['imgctl completion bash|csh', /does not take bash\|csh/],
    ['docker save a | imgctl images frob', /no command frob/],
    ['cat a | sudo imgctl frob', /no command frob/],
    ["ssh root@node-1 'imgctl frob'", /no command frob/],
    ['ssh root@node-1 sudo imgctl frob', /no command frob/],
    ['kubectl imgctl frob', /no command frob/],
    ['x=$(imgctl frob)', /no command frob/],
    ['- run: imgctl frob', /no command frob/],
    ['make && imgctl frob', /no command frob/],
    ['npm exec imgctl frob', /no command frob/],
    ['imgctl images put a \\\n  --frob', /line 4: .*no option --frob/],
  ])('finds what the program would not take: %s', (line, told) => {
    expect(documentProblems(block(line), smallProgram()).join('\n')).toMatch(told);
  });

  it('reads sentences: a command may be named there without what it needs', () => {
    const text =
      'Run `imgctl images put`, `imgctl images put|list`, with `--nodes`, `-o` or `[--config FILE]`.';
    expect(documentProblems(text, smallProgram())).toEqual([]);
    const wrong = 'Run `imgctl images take`, `imgctl images put|take`, with `--frob`, or `--offline` of npm.';
    expect(documentProblems(wrong, smallProgram(), ['--offline'])).toEqual([
      'line 1: imgctl images take: images has no command take',
      'line 1: imgctl images put|take: images has no command take',
      'line 1: no command has the option --frob',
    ]);
    expect(documentProblems('| a | `imgctl images list \\| imgctl frob` |', smallProgram())).toHaveLength(1);
  });

  it('finds commands that are not shown', () => {
    expect(unmentioned('`imgctl image list`', smallProgram())).toEqual(['completion']);
  });

  it('finds scripts and files that are not there', () => {
    const text = block('npm run build && npm run -s frob\nbash test/a.sh\nnode test/b.ts');
    expect(scriptProblems(text, { build: '' }, (path) => path === 'test/a.sh')).toEqual([
      'line 4: package.json has no script frob',
      'line 6: there is no file test/b.ts',
    ]);
  });

  it('finds variables that nothing reads', () => {
    expect(variableProblems('IMGCTL_NODES and `IMGCTL_FROB`', "env['IMGCTL_NODES']")).toEqual([
      'nothing reads IMGCTL_FROB',
    ]);
  });

  it('finds exit statuses that are told in two ways', () => {
    const help = 'Exit status:\n  0    all is well\n  1    usage: a bad option\n  2    gone\n  9    new\n\n';
    const table =
      '| status | means |\n|---|---|\n| 0 | all is well: really |\n| 1 | usage: none |\n| 2 | gone |\n';
    expect(statusProblems(`${table}| 7 | old |\n\ntext`, help)).toEqual([
      'status 1: "usage: none" is not "usage: a bad option"',
      'status 7 is in the document alone',
      'status 9 is in --help alone',
    ]);
  });
});
