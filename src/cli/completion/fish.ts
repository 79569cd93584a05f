import { type CompletionCommand, type CompletionOption, type CompletionValue, flatten } from './tree.ts';

/** Conditions on the command that was typed so far; options and their values are left out of it. */
export function fishScript(root: CompletionCommand): string {
  const all = flatten(root);
  const valued = all.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value !== undefined)
      .flatMap(({ flags }) => flags.map((flag) => `'${path}:${flag}'`)),
  );
  return `# fish completion for imgctl, made by: imgctl completion fish

function __imgctl_command
    set -l tokens (commandline -opc)
    set -l command imgctl
    set -l skip 0
    for token in $tokens[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch "$command:$token"
${all.flatMap(commandSteps).join('\n')}
            case ${valued.join(' ')}
                set skip 1
        end
    end
    echo $command
end

function __imgctl_at
    test (__imgctl_command) = "$argv"
end

complete -c imgctl -f
${all.flatMap(completions).join('\n')}
`;
}

function commandSteps({ path, commands }: CompletionCommand): string[] {
  return commands.flatMap((child) => [
    `            case ${child.names.map((name) => `'${path}:${name}'`).join(' ')}`,
    `                set command '${child.path}'`,
  ]);
}

function completions({ path, commands, options, args }: CompletionCommand): string[] {
  const at = `complete -c imgctl -n '__imgctl_at ${path}'`;
  const value = args.find(({ kind }) => kind !== 'any');
  return [
    ...commands.flatMap(({ names, summary }) => names.map((name) => `${at} -a ${name} -d ${quote(summary)}`)),
    ...(commands.length > 0 || value === undefined ? [] : [`${at} ${argument(value)}`]),
    ...options.map((option) => `${at} ${optionSpec(option)} -d ${quote(option.summary)}`),
  ];
}

function optionSpec({ flags, value }: CompletionOption): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  if (value === undefined) return names.join(' ');
  return `${names.join(' ')} -r ${value.kind === 'any' ? '-f' : argument(value)}`;
}

function argument({ kind, choices }: CompletionValue): string {
  if (kind === 'choice') return `-f -a ${quote(choices.join(' '))}`;
  return kind === 'directory' ? "-f -a '(__fish_complete_directories)'" : '-F';
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
