import { type CompletionCommand, type CompletionValue, flatten } from './tree.ts';

/** Works with bash 3.2, which macOS still has, and without the bash-completion package. */
export function bashScript(root: CompletionCommand): string {
  const all = flatten(root);
  return `# bash completion for imgctl, made by: imgctl completion bash

_imgctl_words() {
  COMPREPLY=($(compgen -W "$1" -- "$2"))
}

_imgctl_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$2"))
}

_imgctl() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command=imgctl i
  # --option=value is three words to bash
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()

  # Which command it is, with options and their values left out
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command:\${COMP_WORDS[i]}" in
${all.flatMap(commandSteps).join('\n')}
${cases(
  valuedOptions(all),
  (pattern) => `    ${pattern})
      if [[ \${COMP_WORDS[i + 1]} == = ]]; then i=$((i + 1)); fi
      i=$((i + 1))
      ;;`,
)}
    esac
  done

  # The value of an option
  case "$command:$previous" in
${all.flatMap(optionValues).join('\n')}
  esac

  if [[ $current == -* ]]; then
    case $command in
${all.map(({ path, options }) => `    '${path}') _imgctl_words '${options.flatMap(({ flags }) => flags).join(' ')}' "$current" ;;`).join('\n')}
    esac
    return
  fi

  case $command in
${all.flatMap(wordsAfter).join('\n')}
  esac
}

complete -F _imgctl imgctl
`;
}

function commandSteps({ path, commands }: CompletionCommand): string[] {
  return commands.map(
    (child) =>
      `    ${child.names.map((name) => `'${path}:${name}'`).join(' | ')}) command='${child.path}' ;;`,
  );
}

function valuedOptions(all: readonly CompletionCommand[]): string[] {
  return all.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value !== undefined)
      .flatMap(({ flags }) => flags.map((flag) => `'${path}:${flag}'`)),
  );
}

function cases(patterns: readonly string[], write: (pattern: string) => string): string {
  return patterns.length === 0 ? '' : write(patterns.join(' | \\\n      '));
}

function optionValues({ path, options }: CompletionCommand): string[] {
  return options.flatMap(({ flags, value }) =>
    value === undefined
      ? []
      : [`  ${flags.map((flag) => `'${path}:${flag}'`).join(' | ')}) ${complete(value)}; return ;;`],
  );
}

function wordsAfter({ path, commands, args }: CompletionCommand): string[] {
  if (commands.length > 0)
    return [`  '${path}') _imgctl_words '${commands.flatMap(({ names }) => names).join(' ')}' "$current" ;;`];
  const value = args.find(({ kind }) => kind !== 'any');
  return value === undefined ? [] : [`  '${path}') ${complete(value)} ;;`];
}

function complete({ kind, choices }: CompletionValue): string {
  if (kind === 'choice') return `_imgctl_words '${choices.join(' ')}' "$current"`;
  if (kind === 'file') return '_imgctl_files -f "$current"';
  if (kind === 'directory') return '_imgctl_files -d "$current"';
  return ':';
}
