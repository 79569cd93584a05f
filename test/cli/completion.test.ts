import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const files = {
  bash: 'completions/imgctl.bash',
  zsh: 'completions/_imgctl',
  fish: 'completions/imgctl.fish',
} as const;

/** What each shell itself offers for a line: the program that asks it, with the line as its last argument. */
const ask = {
  bash: (line: string) => [
    '-c',
    `source ${files.bash}; line=$1; read -ra COMP_WORDS <<< "\${line//=/ = }"
     [[ $line == *' ' || $line == *= ]] && COMP_WORDS+=('')
     COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _imgctl; printf '%s\\n' "\${COMPREPLY[@]}"`,
    'bash',
    line,
  ],
  zsh: (line: string) => ['-f', 'test/cli/zsh-completions.zsh', files.zsh, line],
  fish: (line: string) => ['--no-config', '-c', `source ${files.fish}; complete -C ${JSON.stringify(line)}`],
};

const offers: [line: string, words: string[]][] = [
  [
    'imgctl ',
    [
      'agent',
      'bundle',
      'completion',
      'config',
      'ctr',
      'doctor',
      'help',
      'image',
      'images',
      'init',
      'node',
      'nodes',
      'registries',
      'registry',
      'token',
    ],
  ],
  ['imgctl im', ['image', 'images']],
  ['imgctl images ', ['dir', 'import', 'list', 'ls', 'pull', 'remove', 'rm', 'sync']],
  ['imgctl image import --pl', ['--platform']],
  ['imgctl images import --output ', ['json', 'ndjson', 'text']],
  ['imgctl images import --nodes a,b pack', ['package-lock.json', 'package.json']],
  ['imgctl images import --spool-dir compl', ['completions/']],
  ['imgctl ctr -n foo i ex', ['export']],
  ['imgctl completion ', ['bash', 'fish', 'zsh']],
  ['imgctl images list --qui', ['--quiet']],
];

describe.each(['bash', 'zsh', 'fish'] as const)('the completion for %s', (shell) => {
  it('is the one in completions/', async () => {
    const { status, stdout } = await runCli(['completion', shell]);
    expect(status).toBe(0);
    const committed = readFileSync(`${root}${files[shell]}`, 'utf8');
    expect(committed, `stale: run bin/imgctl.js completion ${shell} > ${files[shell]}`).toBe(stdout);
  });

  const isHere = spawnSync(shell, ['-c', 'true']).status === 0;
  if (!isHere)
    process.stderr.write(`SKIPPED LOUDLY: ${shell} is not installed, its completion is not tried\n`);

  it.skipIf(!isHere).each(offers)('offers for "%s": %j', (line, words) => {
    const { stdout, stderr } = spawnSync(shell, ask[shell](line), {
      cwd: root,
      encoding: 'utf8',
      timeout: 20_000,
    });
    const offered = stdout
      .split('\n')
      // fish describes what it offers; zsh and bash leave the slash to the shell
      .map((text) => text.split('\t')[0]?.trim().replace(/\/$/, '') ?? '')
      .filter((text) => text !== '');
    expect(stderr).toBe('');
    // zsh may ask twice
    expect([...new Set(offered)].sort()).toEqual(words.map((word) => word.replace(/\/$/, '')));
  });
});
